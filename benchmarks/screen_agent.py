"""A scripted agent: speaks docs/protocol.md for the screens that `screen` measures.

    python -m benchmarks.screen_agent ROWS UPDATES_A_SECOND

tells ROWS jobs and then, so often, that 500 of them have changed, and at each SIGUSR1 once more. At
each `refresh` it tells that one job in the middle of the first screen has.
"""

from __future__ import annotations

import random
import select
import signal
import sys
import time

import msgspec

from qtower import model
from qtower.model import JobRow, Status

CHUNK = 500
CHANGING = 500
MADE = 1_700_000_000.0
_ACTIVE = (Status.QUEUED, Status.RUNNING, Status.VALIDATING)
_ENDED = (Status.DONE, Status.DONE, Status.DONE, Status.ERROR, Status.CANCELLED)
_BACKENDS = ("ibmq_qasm_simulator", "fake_lima", "fake_montreal")
_MIDDLE = 20


def rows(count: int) -> list[JobRow]:
    """So many jobs of no set, the newest first."""
    chance = random.Random(count)
    return [_row(number, chance) for number in range(count)]


def _row(number: int, chance: random.Random) -> JobRow:
    status = chance.choice(_ENDED)
    made = MADE - number
    return JobRow(
        key=f"{number:024x}",
        job_id=f"{number:024x}",
        status=status,
        name=f"calibration {chance.randrange(100_000)}",
        backend=chance.choice(_BACKENDS),
        shots=1024 * (1 + number % 8),
        start_index=0,
        end_index=number % 300,
        created=made,
        since=made + 30,
        run_seconds=chance.random() * 10,
        tags=(f"run {number % 50}",),
        confirmed=made,
    )


def changed(row: JobRow, chance: random.Random) -> JobRow:
    """The job in another state."""
    status = chance.choice(_ACTIVE)
    position = chance.randrange(1, 1000) if status is Status.QUEUED else None
    return msgspec.structs.replace(
        row, status=status, queue_position=position, since=MADE + 60, run_seconds=None
    )


class Agent:
    """One life of it: greets, tells its rows, and changes them."""

    def __init__(self, count: int, rate: float) -> None:
        self._rows = rows(count)
        self._rate = rate
        self._chance = random.Random(1)
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(model.AnyRequest)

    def run(self) -> None:
        """Serves until stdin ends."""
        due = time.monotonic() + 1.0
        signal.signal(signal.SIGUSR1, lambda *_: self._change(range(len(self._rows))))
        # Unbuffered: `select` tells of what was not read yet.
        with open(0, "rb", buffering=0, closefd=False) as requests:
            while True:
                wait = max(0.0, due - time.monotonic()) if self._rate > 0 else None
                if select.select([requests], [], [], wait)[0]:
                    line = requests.readline()
                    if not line:
                        return
                    self._answer(self._decoder.decode(line))
                if self._rate > 0 and time.monotonic() >= due:
                    due = max(due + 1 / self._rate, time.monotonic())
                    self._change(range(len(self._rows)))

    def _answer(self, request: model.Request) -> None:
        if isinstance(request, model.Hello):
            self._greet(request)
        elif isinstance(request, model.Refresh):
            row = self._rows[_MIDDLE]
            new = _ACTIVE[1] if row.status is _ACTIVE[0] else _ACTIVE[0]
            self._rows[_MIDDLE] = msgspec.structs.replace(row, status=new)
            self._tell(model.Rows(rows=[self._rows[_MIDDLE]]))

    def _greet(self, request: model.Hello) -> None:
        welcome = model.Welcome(
            version=model.PROTOCOL_VERSION, program="scripted", account="bench", pid=0
        )
        self._tell(model.Answer(id=request.id, body=welcome))
        connection = model.Connection(
            account="bench",
            endpoint="http://127.0.0.1",
            link=model.Link.LIVE,
            since=MADE,
            # Never old: what the header says of it does not change while bytes are counted.
            confirmed=MADE * 10,
        )
        self._tell(model.Connected(connection=connection))
        for start in range(0, len(self._rows), CHUNK):
            self._tell(model.Rows(rows=self._rows[start : start + CHUNK]))

    def _change(self, among: range) -> None:
        chosen = self._chance.sample(among, min(CHANGING, len(among)))
        for number in chosen:
            self._rows[number] = changed(self._rows[number], self._chance)
        self._tell(model.Rows(rows=[self._rows[number] for number in chosen]))

    def _tell(self, message: model.Message) -> None:
        sys.stdout.buffer.write(self._encoder.encode(message) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    Agent(int(sys.argv[1]), float(sys.argv[2])).run()
