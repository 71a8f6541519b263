"""What the service counts and times, for Prometheus. Routes are named by their templates: a path
would make one series a job, and tell what jobs there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REQUEST_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_RUN_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)


@dataclass(frozen=True)
class Now:
    """The state of the service at one moment."""

    jobs: Mapping[str, int]  # by status
    queues: Mapping[str, int]  # by backend: who waits
    workers: int
    healthy: bool  # the queue is at work
    able: bool = True  # jobs can run: the engine has what it needs


class Metrics:
    """Counters and times of one service. Any thread may add to them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Histogram(
            "qtower_request_seconds",
            "Time to answer a request",
            ("method", "route", "status"),
            buckets=_REQUEST_BUCKETS,
            registry=self._registry,
        )
        self._runs = Histogram(
            "qtower_run_seconds",
            "Time that a job ran, by how that ended",
            ("outcome",),
            buckets=_RUN_BUCKETS,
            registry=self._registry,
        )
        self._changes = Counter(
            "qtower_job_changes",
            "Jobs that entered a status; the errors among them are failures",
            ("status",),
            registry=self._registry,
        )
        self.websockets = Gauge(
            "qtower_websockets", "Websockets that follow a job", registry=self._registry
        )
        ProcessCollector(registry=self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request to a route, named by its template, was answered."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def ran(self, outcome: str, seconds: float) -> None:
        """A job ran for so long; `outcome` is the kind of `orders.Outcome`."""
        self._runs.labels(outcome).observe(seconds)

    def changed(self, status: str) -> None:
        """A job entered a status."""
        self._changes.labels(status).inc()

    def watch(self, look: Callable[[], Now]) -> None:
        """Has the state of the service told as well, as `look` finds it at that moment."""
        self._registry.register(_Present(look))

    def text(self) -> bytes:
        """Returns all metrics in Prometheus' text format; may read the store."""
        return generate_latest(self._registry)


class _Present(Collector):
    def __init__(self, look: Callable[[], Now]) -> None:
        self._look = look

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before it is asked for."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        now = self._look()
        yield _family("qtower_jobs", "Jobs in the store", "status", now.jobs)
        yield _family("qtower_queue_length", "Jobs that wait in line", "backend", now.queues)
        yield GaugeMetricFamily("qtower_workers", "Jobs that run at once", value=now.workers)
        yield GaugeMetricFamily(
            "qtower_healthy", "1 if the queue is at work", value=float(now.healthy)
        )
        yield GaugeMetricFamily(
            "qtower_able", "0 while all jobs wait for a cluster", value=float(now.able)
        )


def _family(name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
