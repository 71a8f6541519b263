"""How every command comes to its account, and to the local service behind it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from qtower.config import Account, resolve_account
from qtower.service import local


def connector(account_name: str | None) -> tuple[str, Callable[[], Account]]:
    """Returns the account's name and a call that returns it ready to log in to.

    The call may take seconds (it starts the local service for the account `local`), and may be
    repeated: a service that died is started again.

    Raises:
        ConfigError: There is no such account, or its entry is wrong.
    """
    account = resolve_account(account_name)
    if not account.local_service:
        return account.name, lambda: account

    def start() -> Account:
        service = local.ensure_running()
        return msgspec.structs.replace(account, url=service.url, token=service.token)

    return account.name, start
