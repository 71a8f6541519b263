from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from qtower.config import (
    LOCAL,
    STORED,
    Account,
    account_names,
    find_account,
    load_settings,
    with_token,
)
from qtower.errors import ConfigError

SECRET = "s3cr3t-t0k3n"


def resolve_account(*arguments: Any, **options: Any) -> Account:
    return with_token(find_account(*arguments, **options))


@pytest.fixture
def config(home: Path) -> Path:
    file = home / "config" / "qtower" / "config.toml"
    file.parent.mkdir(parents=True)
    return file


def write(file: Path, text: str, mode: int = 0o600) -> None:
    file.write_text(text)
    file.chmod(mode)


def store_account(home: Path, url: str) -> None:
    (home / ".qiskit").mkdir()
    (home / ".qiskit" / "qiskitrc").write_text(
        f"[ibmq]\ntoken = {SECRET}\nurl = {url}\nverify = True\ndefault_provider = h/g/p\n"
    )
    (home / ".qiskit" / "qiskitrc").chmod(0o600)


def test_without_anything_it_is_the_local_service(home: Path) -> None:
    account = resolve_account()
    assert (account.name, account.local_service) == (LOCAL, True)


def test_an_account_of_the_file(config: Path) -> None:
    write(
        config,
        f'[accounts.lab]\nurl = "https://lab.example/api"\ntoken = "{SECRET}"\n'
        'hub = "h"\ngroup = "g"\nproject = "p"\n',
    )
    account = resolve_account()
    assert (account.name, account.url, account.token) == ("lab", "https://lab.example/api", SECRET)
    assert (account.hub, account.group, account.project) == ("h", "g", "p")
    assert account_names(load_settings()) == ["lab", LOCAL]
    assert resolve_account(LOCAL).local_service


def test_the_default_account_can_be_named(config: Path) -> None:
    write(
        config,
        'default-account = "b"\n[accounts.a]\nurl = "http://a/api"\n'
        '[accounts.b]\nurl = "http://b/api"\n',
    )
    assert resolve_account(environment={"QTOWER_TOKEN": "x"}).name == "b"


def test_a_token_is_never_shown(config: Path) -> None:
    write(config, f'[accounts.lab]\nurl = "https://lab.example/api"\ntoken = "{SECRET}"\n')
    settings = load_settings()
    shown = [repr(settings), str(settings), repr(resolve_account()), str(resolve_account())]
    assert not any(SECRET in text for text in shown)


def test_the_environment_stands_before_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(config, '[accounts.lab]\nurl = "https://lab.example/api"\ntoken = "old"\n')
    monkeypatch.setenv("QTOWER_TOKEN", SECRET)
    assert resolve_account().token == SECRET


def test_a_token_file(config: Path, home: Path) -> None:
    token = home / "lab.token"
    write(token, f"{SECRET}\n")
    write(config, '[accounts.lab]\nurl = "https://l/api"\ntoken-file = "~/lab.token"\n', 0o644)
    assert resolve_account().token == SECRET
    token.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        resolve_account()
    token.chmod(0o600)
    token.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        resolve_account()
    token.unlink()
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        resolve_account()


def test_a_file_with_a_token_that_others_can_read_is_refused(config: Path) -> None:
    write(config, f'[accounts.lab]\nurl = "https://l/api"\ntoken = "{SECRET}"\n', 0o644)
    with pytest.raises(ConfigError, match=r"others can read it.* chmod 600") as error:
        load_settings()
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[accounts.lab\n", "not valid TOML"),
        ('[accounts.lab]\ntoken = "s3cr3t-t0k3n"\n', "missing required field `url`"),
        ('[accounts.lab]\nurl = "https://l"\ntoken = 5\n', "Expected `str"),
        ('[accounts.lab]\nurl = "lab.example"\n', "not an http or https address"),
        ('[accounts.lab]\nurl = "https://me:s3cr3t-t0k3n@l/api"\n', "user name or password"),
        ('[accounts.lab]\nurl = "https://l"\ntoken = "a"\ntoken-file = "b"\n', "Keep one"),
        ('[accounts.lab]\nurl = "https://l"\nhub = "h"\n', "all three"),
        ('[accounts.local]\nurl = "https://l"\n', "cannot be named"),
        ('colour = "red"\n', "unknown field `colour`"),
        (f"x = {'[' * 9000}{']' * 9000}\n", "nests too deeply"),
        (f"{'a.' * 9000}b = 1\n", "nests too deeply"),
        (f"x = {'9' * 9000}\n", "not valid TOML"),
        ("#" * 2_000_000, "File too large"),
    ],
)
def test_a_wrong_file_gets_one_sentence(config: Path, text: str, sentence: str) -> None:
    write(config, text)
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert sentence in str(error.value)
    assert SECRET not in str(error.value)
    assert str(config) in str(error.value)


def test_links_that_lead_in_a_circle_get_one_sentence(config: Path) -> None:
    config.symlink_to(config.name)
    with pytest.raises(ConfigError, match="Too many levels of symbolic links"):
        load_settings()


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x", "a\\u0000b"])
@pytest.mark.parametrize("key", ["token-file", "ca-file"])
def test_a_path_that_is_none_gets_one_sentence(config: Path, key: str, path: str) -> None:
    token = "" if key == "token-file" else 'token = "a"\n'
    write(config, f'[accounts.lab]\nurl = "https://l"\n{token}{key} = "{path}"\n')
    with pytest.raises(ConfigError, match=f'The {key} of the account "lab" is no path'):
        with_token(find_account("lab"))


def test_an_unknown_account_names_the_known(config: Path) -> None:
    write(config, '[accounts.lab]\nurl = "https://l/api"\n')
    with pytest.raises(ConfigError, match="Known accounts: lab, local"):
        resolve_account("lap")


def test_an_account_without_a_token(config: Path) -> None:
    write(config, '[accounts.lab]\nurl = "https://l/api"\n')
    with pytest.raises(ConfigError, match="set QTOWER_TOKEN"):
        resolve_account()


def test_the_account_that_the_provider_has_stored(home: Path) -> None:
    store_account(home, "https://still.example/api")
    account = resolve_account()
    assert (account.name, account.url, account.token) == (
        STORED,
        "https://still.example/api",
        SECRET,
    )
    assert account.hub == "h"


def test_a_stored_account_of_the_dead_server_waits_to_be_asked_for(home: Path) -> None:
    store_account(home, "https://auth.quantum-computing.ibm.com/api")
    assert resolve_account().name == LOCAL
    assert resolve_account(STORED).url == "https://auth.quantum-computing.ibm.com/api"


def test_a_broken_stored_account_is_no_account(home: Path) -> None:
    (home / ".qiskit").mkdir()
    (home / ".qiskit" / "qiskitrc").write_bytes(b"\xff\xfe not an ini")
    assert resolve_account().name == LOCAL


def test_a_pipe_in_place_of_a_stored_account_keeps_nobody_waiting(home: Path) -> None:
    (home / ".qiskit").mkdir()
    os.mkfifo(home / ".qiskit" / "qiskitrc")
    assert resolve_account().name == LOCAL


def test_how_often_an_account_may_be_asked(config: Path) -> None:
    entry = f'[accounts.lab]\nurl = "https://lab.example/api"\ntoken = "{SECRET}"\n'
    write(config, entry)
    assert resolve_account("lab").calls_per_minute == 60
    assert resolve_account(LOCAL).calls_per_minute > 1000
    write(config, f"{entry}calls-per-minute = 600\n")
    assert resolve_account("lab").calls_per_minute == 600
    for wrong in ("0", "9", "-1", "60001", "1.5", '"60"', "true"):
        write(config, f"{entry}calls-per-minute = {wrong}\n")
        with pytest.raises(ConfigError, match="calls-per-minute"):
            load_settings()
