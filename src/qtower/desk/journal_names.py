"""Which journal an account has: another one when its url is changed, and the first when back.

What all processes of an account count their requests in lies beside it, by the same name.
"""

from __future__ import annotations

import logging
from pathlib import Path

from qtower import paths
from qtower.desk.kept_results import safe_name

logger = logging.getLogger(__name__)


def journal_name(account_name: str, endpoint: str, directory: Path | None) -> str:
    """The name of the account's journal in `directory` while the account is at `endpoint`.

    A note beside the journal says where the account was first; one without a note, as older
    versions left it, belongs to wherever the account is now. Without an `endpoint`, as the local
    service has none that lasts, there is one journal.
    """
    if directory is None or not endpoint:
        return account_name
    endpoint = endpoint.rstrip("/")
    note = directory / f"journal-{safe_name(account_name)}.endpoint"
    try:
        first = paths.read_plain(note).decode().strip() if note.exists() else ""
        if not first:
            paths.write_private(note, f"{endpoint}\n".encode())
    except (OSError, UnicodeDecodeError) as error:
        logger.warning("it is not known whose journal %s is: %s", note.stem, error)
        return account_name
    return account_name if first in ("", endpoint) else f"{account_name} at {endpoint}"


def calls_file(journal: str, directory: Path | None) -> Path | None:
    """The file in which those who have the journal of that name share their budget of requests."""
    return directory / f"calls-{safe_name(journal)}" if directory is not None else None
