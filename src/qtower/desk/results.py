"""Results as pages for the screen: heads, counts and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qiskit.exceptions import QiskitError
from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.result.postprocess import format_counts, format_level_2_memory

from qtower.errors import NotFoundError
from qtower.model import (
    Count,
    Counts,
    ExperimentError,
    ExperimentHead,
    GetCounts,
    GetMemory,
    Memory,
    ResultHead,
    Saved,
    SaveResult,
)

from . import plain_json, result_export
from .job_results import JobResult, JobResults
from .kept_results import KeptResults
from .naming import experiment_name

# What Qiskit raises where a header's registers do not fit the outcomes.
_UNFIT = (QiskitError, ValueError, TypeError, LookupError, AttributeError)

_MOST_WRITTEN = 200_000_000
"""Characters of all outcomes together: each is written as long as the header says it is."""

_MOST_COUNTED = 1 << 53


class ResultBook:
    """The results of an account's jobs.

    Each method takes the job's id, which is enough for a result that was read before, and a call
    that returns the managed job, made for one that was not. All raise JobStateError if the job
    has no result, NetworkError if the endpoint did not give it, NotFoundError for an unknown
    experiment.
    """

    def __init__(self, kept: KeptResults) -> None:
        self._results = JobResults(kept)

    def head(self, key: str, job_id: str, managed_job: Callable[[], ManagedJob]) -> ResultHead:
        """Returns a result without its data."""
        result = self._results.get(job_id, managed_job)
        facts = result.facts
        return ResultHead(
            key=key,
            success=bool(facts.get("success")),
            status=str(facts.get("status") or ""),
            backend=str(facts.get("backend_name") or ""),
            date=str(facts.get("date") or ""),
            seconds=_number(facts.get("time_taken")),
            experiments=[_head(i, each) for i, each in enumerate(result.experiments())],
            source=result.source,
        )

    def counts(
        self, request: GetCounts, job_id: str, managed_job: Callable[[], ManagedJob]
    ) -> Counts:
        """Returns a page of counts: bitstrings with the most significant bit first, registers
        apart by a space, as Qiskit writes them."""
        result = self._results.get(job_id, managed_job)
        experiment = result.experiment(request.experiment)
        outcomes, note = _outcomes(result, request.experiment, request.order)
        first = max(request.offset, 0)
        page = outcomes[first : first + max(request.limit, 0)]
        about = {name: value for name, value in experiment.items() if name != "data"}
        return Counts(
            key=request.key,
            experiment=request.experiment,
            total=sum(count for _, count in outcomes),
            outcomes=len(outcomes),
            offset=first,
            rows=[Count(bits=bits, count=count) for bits, count in page],
            header=plain_json.indented(about),
            note=note,
        )

    def memory(
        self, request: GetMemory, job_id: str, managed_job: Callable[[], ManagedJob]
    ) -> Memory:
        """Returns a page of single shots: bitstrings, or measured points as complex numbers.

        Raises:
            NotFoundError: The experiment has no memory.
        """
        result = self._results.get(job_id, managed_job)
        experiment = result.experiment(request.experiment)
        memory = _data(experiment).get("memory")
        if not isinstance(memory, list):
            raise NotFoundError(
                f"Experiment {request.experiment} has no memory of single shots.",
                "Submit it again with memory on.",
            )
        first = max(request.offset, 0)
        page = memory[first : first + max(request.limit, 0)]
        return Memory(
            key=request.key,
            experiment=request.experiment,
            total=len(memory),
            offset=first,
            shots=_shots(page, experiment),
        )

    def failures(self, job_id: str, managed_job: Callable[[], ManagedJob]) -> list[ExperimentError]:
        """Returns the experiments of a partial result that failed, and why."""
        experiments = enumerate(self._results.get(job_id, managed_job).experiments())
        return [
            ExperimentError(
                index=index,
                name=experiment_name(index, each),
                message=str(each.get("status") or "no reason"),
            )
            for index, each in experiments
            if not each.get("success")
        ]

    def save(
        self, request: SaveResult, job_id: str, managed_job: Callable[[], ManagedJob]
    ) -> Saved:
        """Writes a result to a file.

        Raises:
            StorageError: The file is there already, or cannot be written.
        """
        result = self._results.get(job_id, managed_job)
        if request.format == "csv":
            content = result_export.as_csv(
                (experiment_name(index, experiment), _outcomes(result, index, "count")[0])
                for index, experiment in enumerate(result.experiments())
            )
        elif request.format == "json":
            content = result_export.as_json(result.raw)
        else:
            raise NotFoundError(
                f'There is no format "{request.format}".', 'Choose "json" or "csv".'
            )
        path = result_export.write(request.path, content, overwrite=request.overwrite)
        return Saved(path=str(path), size=len(content))


def _outcomes(result: JobResult, index: int, order: str) -> tuple[list[tuple[str, int]], str]:
    """All outcomes of an experiment in order, and why there are none."""
    experiment = result.experiment(index)
    counts = _data(experiment).get("counts")
    if not isinstance(counts, dict):
        return [], _why_no_counts(experiment)
    if (index, order) not in result.outcomes:
        try:
            formatted = format_counts(counts, _header(experiment, len(counts)))
            by_bits = sorted((str(bits), _count(count)) for bits, count in formatted.items())
        except _UNFIT:
            return [], "The outcomes do not fit the registers that the result's header names."
        if order == "count":
            by_bits.sort(key=lambda outcome: -outcome[1])
        result.outcomes[index, order] = by_bits
    return result.outcomes[index, order], ""


def _header(experiment: dict[str, Any], outcomes: int) -> dict[str, Any]:
    """The header by which so many outcomes are to be written out.

    Raises:
        ValueError: It names more bits than anybody has measured, or is none.
    """
    header = experiment.get("header") or {}
    slots, registers = header.get("memory_slots") or 0, header.get("creg_sizes") or ()
    if outcomes * (slots + len(registers)) > _MOST_WRITTEN:
        raise ValueError("the outcomes are too long to be written out")
    return dict(header)


def _count(count: Any) -> int:
    if not isinstance(count, (int, float)) or not abs(count) < _MOST_COUNTED:
        raise ValueError("a count is no number")
    return int(count)


def _why_no_counts(experiment: dict[str, Any]) -> str:
    if not experiment.get("success", True):
        return f"This experiment failed: {experiment.get('status') or 'no reason was given'}"
    level = experiment.get("meas_level", 2)
    if level != 2:
        kind = "raw traces" if level == 0 else "points in the complex plane"
        return f"Measured at level {level}: {kind} and no counts. See its memory."
    return "The experiment returned no counts: it measured nothing."


def _head(index: int, experiment: dict[str, Any]) -> ExperimentHead:
    data = _data(experiment)
    counts, memory = data.get("counts"), data.get("memory")
    success = bool(experiment.get("success"))
    return ExperimentHead(
        index=index,
        name=experiment_name(index, experiment),
        success=success,
        status=str(experiment.get("status") or ("DONE" if success else "ERROR")),
        shots=_shot_count(experiment.get("shots")),
        outcomes=len(counts) if isinstance(counts, dict) else None,
        memory=len(memory) if isinstance(memory, list) else None,
    )


def _data(experiment: dict[str, Any]) -> dict[str, Any]:
    data = experiment.get("data")
    return data if isinstance(data, dict) else {}


def _shots(page: list[Any], experiment: dict[str, Any]) -> list[str]:
    if not page or not isinstance(page[0], str):
        return [_points(shot) for shot in page]
    try:
        header = _header(experiment, len(page))
        return [str(bits) for bits in format_level_2_memory(page, header)]
    except _UNFIT:
        return [str(shot) for shot in page]


def _points(shot: Any) -> str:
    """A shot measured at level 0 or 1, whose numbers are [re, im]."""
    if isinstance(shot, list):
        if len(shot) == 2 and all(isinstance(part, (int, float)) for part in shot):
            return f"{shot[0]:.6g}{shot[1]:+.6g}j"
        return "  ".join(_points(part) for part in shot)
    return str(shot)


def _shot_count(shots: Any) -> int | None:
    """Shots of an experiment; a range [first, last] for one that was run in pieces."""
    if isinstance(shots, list) and len(shots) == 2 and all(isinstance(n, int) for n in shots):
        return int(shots[1] - shots[0] + 1)
    return shots if isinstance(shots, int) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
