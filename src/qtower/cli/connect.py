"""How every command comes to its account, and to the local service behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from qtower.config import Account, find_account


class Way(NamedTuple):
    """How to come to an account.

    `connect` returns it ready to log in to. It may take seconds (it starts the local service for
    the account `local`), and may be repeated: a service that died is started again.
    """

    name: str
    connect: Callable[[], Account]
    endpoint: str  # "" for the local service, whose address is another at every start
    read_only: bool
    insecure: bool  # its certificate is not checked


def way_to(account_name: str | None, *, read_only: bool = False) -> Way:
    """The way to an account, `read_only` or as its entry says.

    Raises:
        ConfigError: There is no such account, or its entry is wrong.
    """
    account = find_account(account_name)
    read_only = read_only or account.read_only
    if not account.local_service:
        insecure = not account.verify and account.url.startswith("https:")
        return Way(account.name, lambda: account, account.url, read_only, insecure)

    def start() -> Account:
        from qtower.service import local  # its HTTP client takes 25 ms of a start

        service = local.ensure_running()
        return msgspec.structs.replace(account, url=service.url, token=service.token)

    return Way(account.name, start, "", read_only, insecure=False)
