"""What runs in the process of a Dask worker: jobs, in the children that the service itself uses.

A job comes as its order and the bytes of its qobj, and goes as its outcome and the bytes of its
result. Both are files only for the child, in the worker's own scratch directory, and only as long
as the job runs. The child dies with the worker's process, as it does with the service's.

Dask does not stop a task that runs; but it tells a worker when nobody wants the task any more: the
service cancelled it, ended or was lost, or the scheduler gave it to another worker. All of these
are one transition of the task, upon which its child is killed. (A `distributed.Event` a job would
tell of cancelling only.)
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from distributed import Worker, WorkerPlugin, get_worker

from qtower import __version__
from qtower.service.children import Run
from qtower.service.engine import LocalEngine
from qtower.service.orders import NOT_RUN, Order, Outcome

PLUGIN = f"qtower-{__version__}"

_UNWANTED = ("released", "cancelled", "forgotten")


class JobRunner(WorkerPlugin):  # type: ignore[misc]  # distributed is not typed for us
    """Carries out jobs in as many children as the worker has threads; the first one is warm."""

    name = PLUGIN
    idempotent = True  # of several services, the first one brings it for all

    def setup(self, worker: Worker) -> None:
        """Begins with the worker, or when the first service comes to it."""
        self._directory = tempfile.TemporaryDirectory(prefix="qtower-", dir=worker.local_directory)
        self._engine = LocalEngine(worker.state.nthreads)

    def teardown(self, worker: Worker) -> None:
        """Ends with the worker; so do its children."""
        self._engine.close()
        self._directory.cleanup()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Kills the child of a task that nobody wants any more."""
        if start == "executing" and finish in _UNWANTED and isinstance(key, str):
            self._engine.cancel(key)

    def carry_out(self, order: Order, qobj: bytes, topic: str) -> tuple[Outcome, bytes | None]:
        """Simulates; blocks until there is an outcome."""
        worker = get_worker()
        key = worker.get_current_task()
        directory = Path(self._directory.name)
        qobj_file, result_file = directory / f"{key}.qobj.z", directory / f"{key}.result.z"
        local = msgspec.structs.replace(
            order, qobj_file=str(qobj_file), result_file=str(result_file)
        )
        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        began = {"run": key, "worker": worker.address}
        try:
            qobj_file.write_bytes(qobj)
            tell = partial(_tell, worker, topic, began)
            self._engine.carry_out(Run(key, local, tell, outcomes.put))
            outcome = outcomes.get()
            return outcome, result_file.read_bytes() if outcome.has_result else None
        except RuntimeError:  # the engine is closed
            return Outcome(kind="lost", message="The Dask worker ended", blameless=True), None
        except OSError as error:
            message = f"The Dask worker could not store the job's files: {error.strerror}"
            return Outcome(kind="failed", message=message, code=NOT_RUN), None
        finally:
            for file in (qobj_file, result_file):
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)


def run_job(order: bytes, qobj: bytes, topic: str) -> tuple[bytes, bytes | None]:
    """The Dask task of one run of a job.

    Args:
        order: An `Order` as JSON; its files are left out.
        qobj: The qobj as `payloads.write` leaves it in a file.
        topic: Where Dask is told that the run has begun, as `{"run": KEY, "worker": ADDRESS}`.

    Returns:
        The outcome as JSON, and the result, if there is one, as `payloads.write` leaves it.
    """
    runner = get_worker().plugins[PLUGIN]
    outcome, result = runner.carry_out(msgspec.json.decode(order, type=Order), qobj, topic)
    return msgspec.json.encode(outcome), result


def _tell(worker: Worker, topic: str, began: dict[str, str], _at: float) -> None:
    # The time of this machine's clock may differ from the service's.
    worker.log_event(topic, began)
