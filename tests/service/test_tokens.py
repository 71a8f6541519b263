"""Tokens: made, listed and revoked by the command line; access tokens that end and are renewed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from qtower.errors import ConfigError, NotFoundError, StorageError
from qtower.service.access import SOLE_USER, Accounts
from qtower.service.records import Owner
from qtower.service.settings import LimitSettings, ServiceSettings, UserSettings
from qtower.service.store import Store
from qtower.service.tokens import Token, TokenFile, check, digest

SETTINGS = ServiceSettings(
    users={"ada": UserSettings(projects=("lab/physics/main",)), "ben": UserSettings()}
)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def command(data_dir: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "qtower", "service", "token", *arguments),
            *(() if arguments == ("hash",) else ("--data-dir", str(data_dir))),
        ],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_line_shows_a_token_once_and_keeps_its_hash(tmp_path: Path) -> None:
    added = command(tmp_path, "add", "ada")
    token = added.stdout.strip()
    assert len(token) == 128
    (kept,) = TokenFile(tmp_path / "tokens.json").tokens()
    assert (kept.user, kept.digest) == ("ada", digest(token))
    listed = command(tmp_path, "list")
    assert kept.id in listed.stdout
    assert "ada" in listed.stdout
    assert json.loads(command(tmp_path, "list", "--json").stdout)[0]["id"] == kept.id
    for text in (added.stderr, listed.stdout, (tmp_path / "tokens.json").read_text()):
        assert token not in text
    assert (tmp_path / "tokens.json").stat().st_mode & 0o077 == 0
    assert "revoked" in command(tmp_path, "revoke", kept.id).stdout
    assert command(tmp_path, "list").stdout == ""
    again = command(tmp_path, "revoke", kept.id)
    assert (again.returncode != 0, "no token with this id" in again.stderr) == (True, True)


def test_a_token_that_somebody_has_is_asked_for(tmp_path: Path, tokens: TokenFile) -> None:
    mine = "0123456789abcdef" * 8
    added = command(tmp_path, "add", "ada", "--given", given=mine + "\n")
    assert mine not in added.stdout + added.stderr
    assert tokens.tokens()[0].digest == digest(mine)
    assert command(tmp_path, "add", "ben", "--given", given=mine + "\n").returncode != 0
    assert command(tmp_path, "hash", given=mine + "\n").stdout == f"sha256:{digest(mine)}\n"
    short = command(tmp_path, "add", "ada", "--given", given="hunter2\n")
    assert short.returncode != 0
    assert "hunter2" not in short.stderr


def test_a_user_that_the_settings_do_not_name_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text("[users.ada]\n")
    refused = command(tmp_path, "add", "ben", "--config", str(config))
    assert "has no user ben" in refused.stderr
    assert command(tmp_path, "add", "a b").returncode != 0
    assert not (tmp_path / "tokens.json").exists()


@pytest.mark.parametrize("token", ["", "x" * 31, "x" * 40 + " y", "ü" * 40, "x" * 40 + "\x00"])
def test_a_token_that_can_be_guessed_or_not_be_sent(token: str) -> None:
    with pytest.raises(ConfigError):
        check(token)


def test_a_damaged_file_and_an_unknown_id(tmp_path: Path, tokens: TokenFile) -> None:
    with pytest.raises(NotFoundError):
        tokens.revoke("x")
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        tokens.tokens()


def test_the_sole_user_logs_in_with_the_token_files_token(store: Store) -> None:
    accounts = Accounts(store, "t" * 40)
    assert accounts.log_in("x" * 40) is None
    signed_in = accounts.log_in("t" * 40)
    assert signed_in is not None
    assert accounts.find_user(signed_in[1]) == accounts.known_user(signed_in[1]) == SOLE_USER
    assert accounts.places(SOLE_USER) == [("ibm-q", "open", "main")]


def test_named_users_log_in_with_their_own_tokens_only(store: Store, tokens: TokenFile) -> None:
    accounts = Accounts(store, "t" * 40, SETTINGS, tokens)
    assert accounts.log_in("t" * 40) is None
    _, token = tokens.add("ada")
    _, of_nobody = tokens.add("nobody")
    signed_in = accounts.log_in(token)
    assert signed_in is not None
    assert signed_in[0] == "ada"
    assert accounts.log_in(of_nobody) is None
    assert accounts.places("ada") == [("lab", "physics", "main")]
    assert accounts.owner("ben", "lab", "physics", "main") is None
    assert not accounts.may_see("ben", Owner("ada", "lab", "physics", "main"))
    assert accounts.may_see("ada", Owner("ada", "lab", "physics", "main"))
    assert not accounts.may_see("ada", Owner("ada", "ibm-q", "open", "main"))


def test_a_revoked_token_ends_all_that_was_signed_in_with_it(
    store: Store, tokens: TokenFile
) -> None:
    accounts = Accounts(store, None, SETTINGS, tokens)
    signed_in = []
    kept: list[Token] = []
    for _ in range(2):
        added, token = tokens.add("ada")
        found = accounts.log_in(token)
        assert found is not None
        kept.append(added)
        signed_in.append(found[1])
        assert accounts.find_user(found[1]) == "ada"
    TokenFile(tokens._file).revoke(kept[0].id)  # as the command line does: another process
    assert accounts.known_user(signed_in[0]) is accounts.find_user(signed_in[0]) is None
    assert accounts.known_user(signed_in[1]) == "ada"


def test_a_user_that_was_removed_is_signed_out(store: Store, tokens: TokenFile) -> None:
    _, token = tokens.add("ben")
    found = Accounts(store, None, SETTINGS, tokens).log_in(token)
    assert found is not None
    fewer = ServiceSettings(users={"ada": UserSettings()})
    assert Accounts(store, None, SETTINGS, tokens).find_user(found[1]) == "ben"
    assert Accounts(store, None, fewer, tokens).find_user(found[1]) is None


def test_an_access_token_in_use_lasts_and_an_idle_one_ends(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServiceSettings(limits=LimitSettings(access_seconds=100))
    accounts = Accounts(store, "t" * 40, settings)
    clock = [time.time_ns()]
    monkeypatch.setattr(time, "time_ns", lambda: clock[0])
    found = accounts.log_in("t" * 40)
    assert found is not None
    for _ in range(4):
        clock[0] += 60 * 10**9
        assert accounts.known_user(found[1]) is None  # due: it is renewed in the store
        assert accounts.find_user(found[1]) == SOLE_USER
        assert accounts.known_user(found[1]) == SOLE_USER
    clock[0] += 101 * 10**9
    assert accounts.known_user(found[1]) is accounts.find_user(found[1]) is None


def test_a_full_disk_keeps_nobody_from_reading(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(digest: str, expires: int) -> None:
        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    monkeypatch.setattr(store, "renew_access_token", fail)
    accounts = Accounts(store, "t" * 40, ServiceSettings(limits=LimitSettings(access_seconds=100)))
    found = accounts.log_in("t" * 40)
    assert found is not None
    later = time.time_ns() + 60 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert accounts.find_user(found[1]) == SOLE_USER


def test_every_digest_is_compared_in_constant_time(
    store: Store, tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("qtower.service.access.hmac.compare_digest", compare)
    made = [tokens.add("ada")[1] for _ in range(3)]
    accounts = Accounts(store, None, SETTINGS, tokens)
    for token in (made[0], made[2], "x" * 40):
        compared.clear()
        accounts.log_in(token)
        assert len(compared) == 3, "a token found early must not answer early"


def test_a_disk_that_takes_nothing_is_said_in_a_sentence(
    tokens: TokenFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, _ = tokens.add("ada")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qtower.service.tokens.write_private", full)
    for change in (lambda: tokens.add("ben"), lambda: tokens.revoke(kept.id)):
        with pytest.raises(StorageError, match="cannot be changed: No space left on device"):
            change()
    assert TokenFile(tmp_path / "tokens.json").tokens() == [kept]


def test_looking_into_a_directory_that_is_not_there_makes_none(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for arguments in (("list",), ("revoke", "0" * 8)):
        done = command(nowhere, *arguments)
        assert (done.returncode, done.stderr.startswith("qtower: There is no directory")) == (
            1,
            True,
        )
    assert not nowhere.exists()
    assert f"added in {nowhere}." in command(nowhere, "add", "ada").stderr
