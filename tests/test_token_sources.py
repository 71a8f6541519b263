"""Where tokens come from, and what is said when they do not."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.core import load_keyring

from qtower import token_sources
from qtower.config import find_account, load_settings, with_token
from qtower.desk.token_keeper import TokenKeeper
from qtower.errors import ConfigError
from qtower.private_files import refuse_if_foreign, refuse_if_shared
from qtower.token_sources import KEYRING_SERVICE, TokenSource, checked

SECRET = "s3cr3t-t0k3n"


def by_command(*command: str) -> TokenSource:
    return TokenSource(account="lab", command=command)


def in_keyring() -> TokenSource:
    return TokenSource(account="lab", keyring="lab@l")


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority = -1  # nobody chooses it by himself
    kept: dict[tuple[str, str], str]
    asked = 0
    silent = 0.0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        time.sleep(self.silent)
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring() -> Iterator[Ring]:
    before = keyring.get_keyring()
    backend = load_keyring(f"{__name__}.Ring")
    assert isinstance(backend, Ring)
    backend.kept = {}
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def account_file(home: Path, entry: str = "", mode: int = 0o600) -> Path:
    file = home / "config" / "qtower" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[accounts.lab]\nurl = "https://lab.example/api"\n{entry}')
    file.chmod(mode)
    return file


# -- the command -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry", [f"token-command = ['echo', '{SECRET}']", f"token-command = \"echo '{SECRET}'\""]
)
def test_a_command_is_a_list_or_split_as_a_shell_does(home: Path, entry: str) -> None:
    account_file(home, entry)
    assert find_account().token == ""
    assert with_token(find_account()).token == SECRET


def test_a_command_goes_through_no_shell(home: Path) -> None:
    account_file(home, 'token-command = "echo a;echo$IFS$HOME"')
    assert with_token(find_account()).token == "a;echo$IFS$HOME"


def test_of_a_command_the_first_line_counts(capfd: pytest.CaptureFixture[str]) -> None:
    script = f"import sys; print('{SECRET}\\nmore'); print('complaint', file=sys.stderr)"
    assert by_command(sys.executable, "-c", script).read() == SECRET
    assert "complaint" not in "".join(capfd.readouterr())


def test_a_command_does_not_get_the_tokens_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("QTOWER_TOKEN", "QE_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    script = "import os; print(len([1 for v in os.environ.values() if 's3cr3t' in v]))"
    assert by_command(sys.executable, "-c", script).read() == "0"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("no-such-program-here",), "cannot be started: No such file"),
        (("false",), "failed with status 1"),
        (("true",), "wrote nothing on its first line"),
        (("echo", "two words"), "blanks or characters that no token has"),
        (("printf", "\\033[31mred"), "blanks or characters that no token has"),
        (("sh", "-c", f"echo {SECRET}; exit 3"), "failed with status 3"),
    ],
)
def test_a_command_that_gives_no_token(command: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as error:
        by_command(*command).read()
    assert "s3cr3t" not in str(error.value) + repr(by_command(*command))


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_sources, "_COMMAND_SECONDS", 0.2)
    with pytest.raises(ConfigError, match="did not end in time"):
        by_command("sleep", "600").read()


def test_a_command_may_leave_an_agent_behind(tmp_path: Path) -> None:
    # It lives on, and has the pipe into which the token was written.
    command = f"sleep 600 & echo $! > {tmp_path}/agent; echo {SECRET}"
    assert by_command("sh", "-c", command).read() == SECRET
    os.kill(int((tmp_path / "agent").read_text()), signal.SIGKILL)


def test_a_command_that_hangs_is_ended_though_its_agent_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(token_sources, "_COMMAND_SECONDS", 0.5)
    with pytest.raises(ConfigError, match="did not end in time"):
        by_command("sh", "-c", f"sleep 600 & echo $! > {tmp_path}/agent; sleep 600").read()
    os.kill(int((tmp_path / "agent").read_text()), signal.SIGKILL)


def test_of_a_command_that_writes_without_end_little_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_sources, "_COMMAND_SECONDS", 1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError, match="did not end in time"):
        by_command("cat", "/dev/zero").read()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


# -- the keyring -------------------------------------------------------------------------------


def test_an_entry_without_a_source_has_its_token_in_the_keyring(home: Path, ring: Ring) -> None:
    account_file(home)
    ring.kept[KEYRING_SERVICE, "lab@lab.example"] = SECRET
    assert with_token(find_account()).token == SECRET


def test_a_token_for_one_host_is_not_given_to_another(home: Path, ring: Ring) -> None:
    file = account_file(home)
    ring.kept[KEYRING_SERVICE, "lab@lab.example"] = SECRET
    file.write_text(file.read_text().replace("lab.example", "elsewhere.example"))
    with pytest.raises(ConfigError, match=r"none in the keyring.* qtower account token lab"):
        with_token(find_account())


def test_without_a_keyring_it_is_one_sentence(ring: Ring) -> None:
    keyring.set_keyring(load_keyring("keyring.backends.fail.Keyring"))
    with pytest.raises(ConfigError, match="this machine has none") as error:
        in_keyring().read()
    assert "token-file or token-command" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_keyring_that_does_not_answer_is_left(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring.silent = 5.0
    monkeypatch.setattr(token_sources, "_KEYRING_SECONDS", 0.1)
    with pytest.raises(ConfigError, match="did not answer in time"):
        in_keyring().read()


def test_nobody_imports_the_library_before_it_is_needed() -> None:
    script = (
        "import sys, qtower.cli.monitor, qtower.cli.agent, qtower.cli.accounts, qtower.ui.app\n"
        "print([name for name in ('keyring', 'secretstorage', 'jeepney') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_storing_and_removing(ring: Ring, tmp_path: Path) -> None:
    assert in_keyring().store(SECRET) == "the keyring"
    assert in_keyring().read() == SECRET
    in_keyring().remove()
    in_keyring().remove()
    assert not ring.kept
    file = TokenSource(account="lab", file=str(tmp_path / "private" / "token"))
    file.store(SECRET)
    assert file.read() == SECRET
    assert (tmp_path / "private" / "token").stat().st_mode & 0o777 == 0o600
    file.remove()
    assert not (tmp_path / "private" / "token").exists()
    with pytest.raises(ConfigError, match="comes from its token-command"):
        by_command("true").store(SECRET)


# -- how often ---------------------------------------------------------------------------------


def test_a_source_is_asked_no_more_often_than_logins_need(ring: Ring) -> None:
    now = 1000.0
    keeper, source = TokenKeeper(lambda: now), in_keyring()
    for _ in range(5):  # a person who may have to unlock it is not asked every minute
        with pytest.raises(ConfigError):
            keeper.token(source)
    assert ring.asked == 1
    ring.kept[KEYRING_SERVICE, "lab@l"] = SECRET
    keeper.forget()  # somebody pressed a key: now
    assert [keeper.token(source) for _ in range(5)] == [SECRET] * 5
    assert ring.asked == 2
    keeper.refused()
    assert keeper.token(source) == SECRET
    assert ring.asked == 2
    now += 3600
    keeper.refused()  # perhaps it has been replaced meanwhile
    assert keeper.token(source) == SECRET
    assert ring.asked == 3


# -- files -------------------------------------------------------------------------------------


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    directory = tmp_path / "it's here"
    directory.mkdir(mode=0o700)
    file = directory / "token"
    file.write_text(SECRET)
    file.chmod(0o600)
    refuse_if_shared(file)
    return file


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_the_command_that_is_named_mends_a_file(token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    with pytest.raises(ConfigError, match="others can read") as error:
        refuse_if_shared(token_file)
    mend(error.value)
    refuse_if_shared(token_file)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_the_command_that_is_named_mends_a_directory(token_file: Path, mode: int) -> None:
    token_file.parent.chmod(mode)
    with pytest.raises(ConfigError, match="Others can write to") as error:
        refuse_if_shared(token_file)
    mend(error.value)
    refuse_if_shared(token_file)
    token_file.parent.chmod(0o1777)  # as /tmp: nobody replaces what is not his
    refuse_if_shared(token_file)


def test_a_link_counts_as_what_it_leads_to(token_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(token_file)
    refuse_if_shared(link)
    token_file.parent.chmod(0o777)
    with pytest.raises(ConfigError, match="Others can write to"):
        refuse_if_shared(link)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        refuse_if_shared(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(token_file: Path) -> None:
    os.chown(token_file, 12345, -1)
    with pytest.raises(ConfigError, match=r"belongs to another user.* chown"):
        refuse_if_shared(token_file)
    os.chown(token_file, 0, -1)
    os.chown(token_file.parent, 12345, -1)
    with pytest.raises(ConfigError, match=r"may put another token there.* chown"):
        refuse_if_foreign(token_file)


def test_a_configuration_that_others_can_write_is_refused_though_it_has_no_token(
    home: Path,
) -> None:
    file = account_file(home, mode=0o664)  # they could have it run a command, or move the url
    with pytest.raises(ConfigError, match=r"Others can write.* chmod go-w") as error:
        load_settings()
    mend(error.value)
    assert load_settings().accounts
    assert file.stat().st_mode & 0o777 == 0o644


def mend(error: ConfigError) -> None:
    """Does what the error says, as a person would."""
    subprocess.run(["sh", "-c", error.next_step.removeprefix("Run: ")], check=True)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "a\x1b", "ä", "x" * 5000])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(ConfigError):
        checked(token, "It")
