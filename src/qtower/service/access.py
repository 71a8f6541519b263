"""Who may do what: users, their projects and access tokens.

An access token is random and differs from the API token; only its SHA-256 is stored, so that a
client stays signed in when the service restarts. It ends when it has not been used for a while,
or when its API token is revoked: the client of IBM's API logs in once, and cannot do so again in
the midst of its work, so that a token in use is renewed by its use.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from qtower.service.records import Owner
from qtower.service.settings import ServiceSettings, UserSettings
from qtower.service.signouts import SignOuts
from qtower.service.store import Store
from qtower.service.tokens import TokenFile, digest

SOLE_USER = "owner"
"""Who uses a service that has no users in its settings."""

_REMEMBERED = 1_000
_FRESH = 0.1  # of its life: an access token that is younger need not be renewed
_LOOK_SECONDS = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _SignedIn:
    user: str
    login_digest: str
    renew_at: int  # microseconds since 1970 UTC


class Accounts:
    """The users of the service, their tokens and their projects."""

    def __init__(
        self,
        store: Store,
        api_token: str | None,
        settings: ServiceSettings | None = None,
        tokens: TokenFile | None = None,
    ) -> None:
        """`api_token` is the sole user's, of a service that has no users in its settings."""
        settings = settings or ServiceSettings()
        self._store = store
        self._life = round(settings.limits.access_seconds * 1_000_000)
        self._users = settings.users or {SOLE_USER: UserSettings()}
        self._tokens = tokens
        self._fixed = {
            user.token_hash.removeprefix("sha256:"): name
            for name, user in settings.users.items()
            if user.token_hash
        }
        if api_token is not None and not settings.users:
            self._fixed[digest(api_token)] = SOLE_USER
        self.sign_outs = SignOuts(tokens.stamp if tokens else lambda: None)
        self._signed_in: dict[str, _SignedIn] = {}  # by digest, so that a dump holds no token

    @property
    def look_seconds(self) -> float:
        """How often to ask for the user of a line that stays open, to renew its access token."""
        return min(self._life / 4_000_000, _LOOK_SECONDS)

    def log_in(self, api_token: str) -> tuple[str, str] | None:
        """Returns the user and a new access token; None if the API token is nobody's."""
        given = digest(api_token)
        user: str | None = None
        for known, name in self._logins():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, given):
                user = name
        if user not in self._users:
            return None
        access_token = secrets.token_urlsafe(48)
        self._store.add_access_token(digest(access_token), user, given, _now() + self._life)
        return user, access_token

    def known_user(self, access_token: str) -> str | None:
        """Returns whose access token it is, from memory alone; None if that does not tell."""
        found = self._signed_in.get(digest(access_token))
        if found is None or found.renew_at <= _now() or not self._holds(found.login_digest):
            return None
        return found.user

    def find_user(self, access_token: str) -> str | None:
        """Returns whose access token it is; reads the store, and renews the token there."""
        key = digest(access_token)
        found = self._store.access_token(key)
        now = _now()
        if found is None:
            return None
        user, login_digest, expires = found
        if expires <= now or user not in self._users or not self._holds(login_digest):
            return None
        fresh = round(self._life * _FRESH)
        if expires - now < self._life - fresh:
            expires = self._renewed(key, expires)
        if len(self._signed_in) >= _REMEMBERED:
            self._signed_in.clear()
        self._signed_in[key] = _SignedIn(user, login_digest, expires - self._life + fresh)
        return user

    def owner(self, user: str, hub: str, group: str, project: str) -> Owner | None:
        """Returns the user in that place; None if it is not one of the user's."""
        if (hub, group, project) not in self.places(user):
            return None
        return Owner(user, hub, group, project)

    def may_see(self, user: str, owner: Owner) -> bool:
        """Whether the user may see what is `owner`'s: it is the user's own, in a place of his."""
        return self.owner(user, owner.hub, owner.group, owner.project) == owner

    def without_token(self) -> list[str]:
        """Returns the users as whom nobody can log in yet."""
        known = {name for _, name in self._logins()}
        return [name for name in self._users if name not in known]

    def places(self, user: str) -> list[tuple[str, str, str]]:
        """Returns hub, group and project of every place of the user, the default one first."""
        settings = self._users.get(user)
        paths = settings.projects if settings else ()
        places = (path.split("/") for path in paths)
        return [(hub, group, project) for hub, group, project in places]

    def owners(self, user: str) -> list[Owner]:
        """Returns the user in each of his places."""
        return [Owner(user, *place) for place in self.places(user)]

    def _renewed(self, key: str, expires: int) -> int:
        """Renews an access token; returns when it ends. A full disk keeps nobody from reading."""
        later = _now() + self._life
        try:
            self._store.renew_access_token(key, later)
        except SQLAlchemyError:
            logger.exception("an access token could not be renewed")
            return expires
        return later

    def _logins(self) -> list[tuple[str, str]]:
        made = self._tokens.tokens() if self._tokens else []
        return [*self._fixed.items(), *((token.digest, token.user) for token in made)]

    def _holds(self, login_digest: str) -> bool:
        """Whether the API token of an access token has not been changed or revoked since."""
        if login_digest in self._fixed:
            return True
        made = self._tokens.tokens() if self._tokens else []
        return any(token.digest == login_digest for token in made)


def _now() -> int:
    return time.time_ns() // 1000
