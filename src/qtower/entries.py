"""What `config.toml` may say, as structs; `qtower.config` reads it."""

from __future__ import annotations

from typing import Annotated

import msgspec

CALLS_PER_MINUTE = 60
"""How often an endpoint elsewhere is asked, if its entry does not say."""


class AccountEntry(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """`[accounts.NAME]` as it stands in the file."""

    url: str
    token: str | None = None
    token_file: str | None = None
    token_command: str | list[str] | None = None
    hub: str | None = None
    group: str | None = None
    project: str | None = None
    calls_per_minute: int = CALLS_PER_MINUTE
    read_only: bool = False
    verify: bool = True
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"AccountEntry(url={self.url!r}, ...)"


class Keeping(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """`[keep]`: what stays on this machine of jobs that have ended."""

    jobs: Annotated[int, msgspec.Meta(ge=1000)] = 200_000
    """So many of an account, the newest, are in its journal."""
    job_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """And no longer than so many days after they were created."""
    fetch_results: bool = True
    """Results are read and kept when a job is first seen to be done."""
    largest_result_mb: Annotated[int, msgspec.Meta(ge=1)] = 100
    """A longer one is only read when somebody asks for it."""
    results_mb: Annotated[int, msgspec.Meta(ge=1)] = 2000
    """Kept results take no more room than that: the oldest go first."""
    result_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """And go so many days after they were read."""


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """The configuration file."""

    default_account: str | None = None
    accounts: dict[str, AccountEntry] = {}
    keep: Keeping = Keeping()
