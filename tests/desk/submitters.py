"""Processes that submit, to be killed: forked from one that has loaded everything already.

`python -m tests.desk.submitters` reads orders as JSON lines from stdin and writes lines to stdout:
the number of the process that carries the order out, then what became of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Submitters:
    """The parent of all submitters of a test."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.desk.submitters"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def begin(self, **order: Any) -> int:
        """Gives an order to a new process, and returns its number."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> str:
        """What became of the order: "done", or "killed"."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """Ends the parent."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


def _carry_out(order: dict[str, Any]) -> None:
    """Submits a set, or goes on with all that is unsent; returns when nothing is being sent."""
    from qtower import model
    from qtower.config import Account
    from qtower.desk.desk import Desk

    account = Account(
        name="test",
        url=order["url"],
        token=order["token"],
        local_service=True,
        calls_per_minute=60000,
    )
    desk = Desk("test", lambda: account, lambda event: None, state_dir=Path(order["state"]))
    desk.open()
    desk.wait_ready(60)
    if "file" in order:
        wanted = model.Order(
            files=[order["file"]] * order["jobs"],
            backend="ibmq_qasm_simulator",
            shots=1,
            name=order["name"],
            experiments_per_job=1,
        )
        plan = desk.answer(model.MakePlan(order=wanted))
        assert not plan.problems, plan.problems
        desk.answer(model.Submit(plan_id=plan.plan_id))
    else:
        for each in desk.answer(model.GetUnsent()).sets:
            desk.answer(model.SteerSet(set_id=each.set_id, steer=model.Steer.SEND))
    while any(each.state != "offered" for each in desk.answer(model.GetUnsent()).sets):
        with desk._watching._changed:
            desk._watching._changed.wait(0.05)
    desk.close()


def _main() -> None:
    from qtower.desk.account import load_provider

    load_provider()
    for module in ("desk", "planning", "submission", "circuit_files", "results", "qobjs"):
        __import__(f"qtower.desk.{module}")
    for line in sys.stdin:
        child = os.fork()  # no thread was started here
        if child == 0:
            code = 1
            try:
                _carry_out(json.loads(line))
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print("done" if code == 0 else "killed" if code < 0 else f"failed {code}", flush=True)


if __name__ == "__main__":
    _main()
