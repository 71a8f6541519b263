"""How old what is shown may be: a row that was not confirmed for too long is no news."""

from __future__ import annotations

from qtower.model import Connection, Link


def is_stale(
    ended: bool, confirmed: float | None, connection: Connection | None, now: float
) -> bool:
    """True if a job may have gone on since the endpoint last spoke of it.

    The endpoint speaks of a job when it confirms its row (`confirmed`; None of a set), and when all
    active jobs are read. What has ended never changes.
    """
    if ended:
        return False
    if connection is None:
        return True
    confirmed = max(confirmed or 0.0, connection.confirmed or 0.0)
    if not confirmed:
        return True
    # A clock was set back since: how old that is, nobody knows.
    if connection.fresh_for is None or confirmed > now:
        return connection.link is not Link.LIVE
    return now - confirmed > connection.fresh_for
