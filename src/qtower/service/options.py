"""How one service is to run: what its command line and its `service.toml` say together."""

from __future__ import annotations

from pathlib import Path

import msgspec

from qtower.service.settings import ServiceSettings


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the service is to run."""

    host: str
    port: int  # 0 for a free one
    data_dir: Path
    token_file: Path | None  # by default `token` in the data directory
    workers: int
    idle_seconds: float | None  # ends by itself after so long without jobs and requests
    settings: ServiceSettings = ServiceSettings()
    tls_cert: Path | None = None  # PEM; with it the service speaks https and wss
    tls_key: Path | None = None
    public_url: str | None = None  # of the API, where clients reach it through a proxy
    insecure: bool = False  # may be shown to other machines without TLS or named users
    metrics_token_file: Path | None = None
    log_requests: bool = False

    @property
    def scheme(self) -> str:
        """What the service speaks."""
        return "https" if self.tls_cert else "http"
