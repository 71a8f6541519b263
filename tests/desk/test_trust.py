"""Certificates: checked, by the account's own authority, or on its wish not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from qtower.config import Account, find_account
from qtower.desk.account import log_in
from qtower.desk.faults import CertificateError
from qtower.desk.sockets import Place, _open, _sign_in
from qtower.errors import ConfigError
from qtower.model import Link
from tests.conftest import Endpoint, start_service, stop_service
from tests.desk.accounts import open_desk


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an authority, with a certificate of it for this machine beside it."""
    directory = tmp_path_factory.mktemp("tls")
    maker = trustme.CA()
    issued = maker.issue_cert("localhost", "127.0.0.1")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    (directory / "cert.pem").write_bytes(chain)
    (directory / "key.pem").write_bytes(issued.private_key_pem.bytes())
    maker.cert_pem.write_to_path(str(directory / "ca.pem"))
    return directory / "ca.pem"


@pytest.fixture(scope="module")
def secured(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    files = authority.parent
    endpoint = start_service(
        tmp_path_factory.mktemp("secured"),
        *("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem")),
        *("--workers", "1"),
    )
    yield endpoint
    stop_service(endpoint)


def account(endpoint: Endpoint, **trust: object) -> Account:
    return Account(name="lab", url=endpoint.url, token=endpoint.token, **trust)  # type: ignore[arg-type]


def test_a_certificate_of_nobody_we_know_is_refused_and_both_ways_are_named(
    secured: Endpoint, tmp_path: Path
) -> None:
    with pytest.raises(CertificateError) as error:
        log_in(account(secured))
    assert "unable to get local issuer certificate" in error.value.what
    assert "ca-file" in error.value.next_step
    assert "verify = false" in error.value.next_step
    with open_desk(lambda: account(secured), tmp_path) as (_, ear):
        ear.until(lambda: ear.link is Link.OFFLINE)
        assert "ca-file" in ear.links[-1].detail


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_authority_of_the_account_stands_before_that_of_the_environment(
    secured: Endpoint, authority: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    if elsewhere:
        other = authority.parent / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    trusting = account(secured, ca_file=str(authority))
    provider = log_in(trusting)
    assert provider.backends()
    _listen(provider, trusting)


def test_without_a_check_it_works_even_beside_a_bundle(
    secured: Endpoint, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = authority.parent / "nobody.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    careless = account(secured, verify=False)
    provider = log_in(careless)
    assert provider.backends()
    _listen(provider, careless)


def _listen(provider: object, account: Account) -> None:
    credentials = provider.credentials  # type: ignore[attr-defined]
    place = Place(
        account_url=account.url,
        url=credentials.websockets_url,
        access_token=credentials.access_token,
        trust=account.trust,
    )
    with _open(place, "/jobs/none/status/v/1") as socket:
        _sign_in(socket, place.access_token)


def test_what_config_says_of_certificates(home: Path, authority: Path) -> None:
    file = home / "config" / "qtower" / "config.toml"
    file.parent.mkdir(parents=True)
    entry = '[accounts.lab]\nurl = "https://lab.example/api"\n'
    file.write_text(entry)
    assert find_account().trust is True
    file.write_text(f'{entry}ca-file = "{authority}"\n')
    assert find_account().trust == str(authority)
    file.write_text(f"{entry}verify = false\n")
    assert find_account().trust is False
    for wrong, sentence in (
        ('ca-file = "/no/such.pem"', "is not there"),
        (f'verify = false\nca-file = "{authority}"', "which ignores it"),
        ('verify = "no"', "verify"),
    ):
        file.write_text(f"{entry}{wrong}\n")
        with pytest.raises(ConfigError, match=sentence):
            find_account()
