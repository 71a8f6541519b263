"""Certificates, and to whom a service may be shown without them."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from pathlib import Path

from qtower.errors import ServiceError

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def check_certificate(certificate: Path, key: Path) -> None:
    """Loads a certificate and its key, to refuse a wrong pair before anything listens.

    Raises:
        ServiceError: They cannot be read, do not belong together, or the key has a password.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        reason = (error.reason or "not PEM").replace("_", " ").lower()
        raise ServiceError(
            f"{certificate} and {key} are no certificate and key: {reason}.",
            "Give a PEM certificate (with its chain) and the PEM key that it was made for.",
        ) from None
    except OSError as error:
        raise ServiceError(
            f"{certificate} or {key} cannot be read: {error.strerror}.", "Check their permissions."
        ) from None


def fingerprint(certificate: Path) -> str:
    """Returns the SHA-256, in hex digits, of the first certificate in a PEM file."""
    pem = certificate.read_text(errors="replace")
    first = pem[pem.index(_BEGIN) : pem.index(_END) + len(_END)]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()


def _no_password() -> str:
    raise ServiceError(
        "The TLS key has a password.", "Give a key without one, in a file that only you can read."
    )


def is_loopback(host: str) -> bool:
    """True if nobody but this machine reaches a service that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class ExposureError(ServiceError):
    """The service would be shown to other machines without what that takes."""


def check_exposure(host: str, *, tls: bool, named_users: bool, insecure: bool) -> None:
    """Refuses to show a service to other machines in a way that gives it away.

    Raises:
        ExposureError: It would listen beyond loopback without TLS, or with one token for all.
    """
    if insecure or is_loopback(host):
        return
    missing = [
        *([] if tls else ["TLS (--tls-cert, --tls-key)"]),
        *([] if named_users else ["named users (--config)"]),
    ]
    if missing:
        raise ExposureError(
            f"Without {' and '.join(missing)} the service listens on loopback only.",
            "Choose 127.0.0.1, ::1 or localhost, add what is missing, or say --insecure.",
        )
