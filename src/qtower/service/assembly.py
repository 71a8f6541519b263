"""The parts of the service, put together as its options and settings say."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from qtower.errors import ConfigError
from qtower.paths import write_private
from qtower.service import notes
from qtower.service.access import Accounts
from qtower.service.core import Core, Site
from qtower.service.databases import place_of
from qtower.service.devices import Device, load_devices
from qtower.service.dispatcher import Dispatcher
from qtower.service.engines import Engine, open_engine
from qtower.service.fairshare import FairShare
from qtower.service.limits import Limits
from qtower.service.metrics import Metrics
from qtower.service.options import Options
from qtower.service.pacing import Pacing
from qtower.service.payloads import Payloads
from qtower.service.reservations import Reservations
from qtower.service.retention import Retention
from qtower.service.settings import DatabaseSettings, ServiceSettings
from qtower.service.signing import KEY_FILE, Signer
from qtower.service.store import Store
from qtower.service.tls import is_loopback
from qtower.service.tokens import FILE_NAME, TokenFile, digest
from qtower.service.watchers import Watchers
from qtower.token_sources import read_token_file

_HALF_LIVES = 5


@contextlib.contextmanager
def assembled(options: Options) -> Iterator[Core]:
    """Makes all parts and sets the queue to work; ends them in order.

    Raises:
        QtowerError: The token file, the store or another part cannot be used.
    """
    data_dir = options.data_dir.absolute()
    site, settings = _site(options), options.settings
    api_token = None
    if not settings.users:
        api_token = _api_token(options.token_file or notes.token_file(data_dir))
    reservations = Reservations(settings)
    metrics = Metrics()
    store = Store(place_of(settings.database, data_dir / "jobs.sqlite"))
    with contextlib.closing(store):
        devices = _devices(settings)
        reservations.check(devices)
        payloads = Payloads(data_dir / "payloads")
        watchers = Watchers()
        retention = Retention(store, payloads, settings.retention)
        with contextlib.closing(_engine(options)) as engine, contextlib.closing(retention):
            dispatcher = Dispatcher(
                store,
                payloads,
                devices,
                engine,
                watchers,
                settings.limits.upload_seconds,
                metrics=metrics,
                share=_share(store, settings),
                reservations=reservations,
                pacing=Pacing(settings.backends, devices),
                max_attempts=settings.queue.max_attempts,
            )
            dispatcher.start()
            retention.start()
            yield Core(
                store=store,
                payloads=payloads,
                devices=devices,
                dispatcher=dispatcher,
                watchers=watchers,
                accounts=Accounts(store, api_token, settings, TokenFile(data_dir / FILE_NAME)),
                signer=Signer(data_dir / KEY_FILE),
                settings=settings,
                reservations=reservations,
                metrics=metrics,
                site=site,
            )


def _share(store: Store, settings: ServiceSettings) -> FairShare:
    """What everybody has used lately; what is older than some half-lives hardly counts."""
    share = FairShare(settings)
    oldest = time.time() - _HALF_LIVES * settings.queue.share_seconds
    for run in store.runs_since(round(oldest * 1_000_000)):
        share.add(run.owner, run.seconds, run.ended / 1_000_000)
    return share


def _engine(options: Options) -> Engine:
    settings = options.settings
    limits = Limits(
        seconds=settings.limits.job_seconds,
        memory_bytes=settings.limits.memory_bytes,
        result_bytes=settings.limits.result_bytes,
    )
    setups = {
        name: {"device": backend.device, "method": backend.method, "noise": backend.noise}
        for name, backend in settings.backends.items()
    }
    return open_engine(options.workers, limits, settings.scheduler.address, setups)


def _devices(settings: ServiceSettings) -> dict[str, Device]:
    if not settings.backends:
        return load_devices()
    try:
        return load_devices({name: backend.device for name, backend in settings.backends.items()})
    except LookupError as error:
        raise ConfigError(
            f"The configuration of the backends cannot be used: {error.args[0]}.",
            "Correct the backend's device.",
        ) from None


def _site(options: Options) -> Site:
    settings = options.settings
    metrics_digest = None
    if options.metrics_token_file is not None:
        metrics_digest = digest(read_token_file(options.metrics_token_file))
    address = settings.scheduler.address
    return Site(
        public_url=options.public_url,
        data_dir=options.data_dir.absolute(),
        engine=f"the Dask cluster at {address}" if address else "processes on this machine",
        database="SQLite" if settings.database == DatabaseSettings() else "PostgreSQL",
        shared=bool(settings.users),
        retention_seconds=settings.retention.payload_seconds,
        # Behind a proxy everybody comes from loopback.
        metrics_open=is_loopback(options.host) and options.public_url is None,
        metrics_digest=metrics_digest,
        log_requests=options.log_requests,
    )


def _api_token(file: Path) -> str:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32).encode() + b"\n")
    return read_token_file(file)
