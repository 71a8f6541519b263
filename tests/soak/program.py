"""A program as people wrote them: jobs by `backend.run`, job sets by `IBMQJobManager`.

Started as `program.py URL FILE NAME SEED` with the token in QE_TOKEN; adds a line to FILE for each
job that the service has acknowledged.
"""

from __future__ import annotations

import os
import random
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

from qiskit import QuantumCircuit  # noqa: E402
from qiskit.providers.ibmq import IBMQFactory  # noqa: E402
from qiskit.providers.ibmq.exceptions import IBMQError  # noqa: E402
from qiskit.providers.ibmq.managed import IBMQJobManager  # noqa: E402


def main(url: str, file: str, name: str, seed: str) -> None:
    """Submits for ever; what fails is tried no second time."""
    chance = random.Random(int(seed))
    provider = IBMQFactory().enable_account(os.environ["QE_TOKEN"], url)
    backend = provider.get_backend("ibmq_qasm_simulator")
    bell = QuantumCircuit(2, 2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure([0, 1], [0, 1])
    number = 0
    while True:
        number += 1
        try:
            if chance.random() < 0.5:
                ids = [backend.run(bell, shots=100, job_name=f"{name}-{number}").job_id()]
            else:
                jobs = IBMQJobManager().run(
                    [bell] * 3, backend, f"{name}-{number}", max_experiments_per_job=1
                )
                ids = [job.job.job_id() for job in jobs.managed_jobs() if _submitted(job)]
            with Path(file).open("a") as known:
                known.writelines(f"{each}\n" for each in ids)
        except (IBMQError, OSError):
            pass
        time.sleep(chance.uniform(0.5, 4))


def _submitted(job: object) -> bool:
    job.future.result()  # type: ignore[attr-defined]
    return job.job is not None  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(*sys.argv[1:])
