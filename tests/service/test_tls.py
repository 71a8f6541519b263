"""TLS, and to whom a service shows itself without it."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.sync.client import connect

from qtower.errors import ServiceError
from qtower.service.tls import ExposureError, check_certificate, check_exposure, is_loopback
from tests.conftest import Endpoint, start_service, stop_service

PROVIDER = """
import sys
from qiskit import QuantumCircuit
from qiskit.providers.ibmq import IBMQFactory

token = open(sys.argv[2]).read().strip()
provider = IBMQFactory().enable_account(token, sys.argv[1])
circuit = QuantumCircuit(1, 1)
circuit.x(0)
circuit.measure(0, 0)
job = provider.get_backend("ibmq_qasm_simulator").run(circuit, shots=10)
job.wait_for_final_state(timeout=60)
print(job.result().get_counts())
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = directory / "cert.pem", directory / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    return certificate, key


@pytest.fixture(scope="module")
def secured(
    files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    certificate, key = files
    endpoint = start_service(
        tmp_path_factory.mktemp("secured"),
        *("--tls-cert", str(certificate), "--tls-key", str(key), "--workers", "1"),
    )
    yield endpoint
    stop_service(endpoint)


def test_every_address_is_a_secure_one(secured: Endpoint, authority: trustme.CA) -> None:
    assert secured.url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with httpx.Client(base_url=secured.url, verify=context) as client:
        token = client.post("/users/loginWithToken", json={"apiToken": secured.token}).json()["id"]
        client.headers["X-Access-Token"] = token
        urls = client.get("/users/me").json()["urls"]
        assert urls["http"] == secured.url
        assert urls["ws"] == "wss" + secured.url.removeprefix("https")
        job = client.post(
            "/Network/ibm-q/Groups/open/Projects/main/Jobs",
            json={"backend": {"name": "ibmq_qasm_simulator"}},
        ).json()
        assert job["objectStorageInfo"]["uploadUrl"].startswith(secured.url)
    with connect(urls["ws"] + f"/jobs/{job['id']}/status/v/1", ssl=context) as websocket:
        websocket.send('{"type": "authentication", "data": "' + token + '"}')
        assert "authenticated" in str(websocket.recv())


def test_the_client_of_the_provider_works_over_it(
    secured: Endpoint, files: tuple[Path, Path]
) -> None:
    trusted = str(files[0].parent / "ca.pem")
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c", PROVIDER),
            *(secured.url, str(secured.data_dir / "token")),
        ],
        env={
            **os.environ,
            "REQUESTS_CA_BUNDLE": trusted,
            "SSL_CERT_FILE": trusted,
            "WEBSOCKET_CLIENT_CA_BUNDLE": trusted,
        },
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.stdout.strip() == "{'1': 10}", done.stderr


def test_a_client_that_does_not_trust_it_is_not_served(secured: Endpoint) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(secured.url + "/version")


def test_a_wrong_pair_is_refused_in_a_sentence(files: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = files
    check_certificate(certificate, key)
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
    with pytest.raises(ServiceError, match="no certificate and key: key values mismatch"):
        check_certificate(certificate, other)
    other.write_text("nothing")
    with pytest.raises(ServiceError, match="no certificate and key"):
        check_certificate(certificate, other)
    with pytest.raises(ServiceError, match="cannot be read: No such file"):
        check_certificate(certificate, tmp_path / "missing")


def test_a_key_with_a_password_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as forms

    key = forms.load_pem_private_key(files[1].read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            forms.Encoding.PEM,
            forms.PrivateFormat.PKCS8,
            forms.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ServiceError, match="has a password"):
        check_certificate(files[0], locked)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_nothing_is_asked_for(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, tls=False, named_users=False, insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_beyond_it_takes_tls_and_named_users(host: str) -> None:
    for tls, named_users in ((False, False), (True, False), (False, True)):
        with pytest.raises(ExposureError, match="on loopback only") as refused:
            check_exposure(host, tls=tls, named_users=named_users, insecure=False)
        assert ("--tls-cert" in str(refused.value)) is not tls
        assert ("--config" in str(refused.value)) is not named_users
        check_exposure(host, tls=tls, named_users=named_users, insecure=True)
    check_exposure(host, tls=True, named_users=True, insecure=False)


def test_a_risk_that_was_chosen_is_taken_but_metrics_stay_closed(tmp_path: Path) -> None:
    endpoint = start_service(tmp_path, "--host", "0.0.0.0", "--insecure")
    try:
        here = endpoint.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(here + "/version").status_code == 200
        assert httpx.get(here.removesuffix("/api") + "/metrics").status_code == 401
    finally:
        stop_service(endpoint)
