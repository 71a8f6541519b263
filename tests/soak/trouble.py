"""What goes wrong: the network, the service, and kills of everything that runs."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter

from tests.faults import kinds
from tests.faults.proxy import Fault
from tests.soak.house import House, end

_NETWORK: dict[str, Fault] = {
    "hangs before": kinds.hang_before,
    "hangs after": kinds.hang_after,
    "reset before": kinds.reset_before,
    "reset after": kinds.reset_after,
    "reset within": kinds.reset_within,
    "500": kinds.answers(500),
    "503": kinds.answers(503),
    "429": kinds.answers(429, "1"),
    "html": kinds.html_page,
    "truncated": kinds.truncated,
    "broken off": kinds.broken_off,
    "slow bytes": kinds.slow_bytes,
}


class Trouble(threading.Thread):
    """Makes trouble until it is told to stop; `counts` says how often which."""

    def __init__(self, house: House, seed: int) -> None:
        super().__init__(daemon=True)
        self.counts: Counter[str] = Counter()
        self.failure = ""
        self._house = house
        self._chance = random.Random(seed)
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(self._chance.uniform(1, 5)):
            luck = self._chance.random()
            try:
                if luck < 0.4:
                    self._network()
                elif luck < 0.55:
                    self._service()
                else:
                    self._kill()
            except RuntimeError as error:  # the service did not start again
                self.failure = str(error)
                return

    def stop(self) -> None:
        """Ends the trouble, and waits until all runs again."""
        self._stopping.set()
        self.join(60)

    def _network(self) -> None:
        name = self._chance.choice(list(_NETWORK))
        self.counts[f"network {name}"] += 1
        with self._house.proxy.failing(_NETWORK[name]):
            self._stopping.wait(self._chance.uniform(0.2, 4))

    def _service(self) -> None:
        how = self._chance.choice(["stopped", "killed", "ended"])
        self.counts[f"service {how}"] += 1
        if how == "stopped":
            process = self._house.endpoint.process
            process.send_signal(signal.SIGSTOP)
            time.sleep(self._chance.uniform(0.2, 4))
            process.send_signal(signal.SIGCONT)
        else:
            number = signal.SIGKILL if how == "killed" else signal.SIGTERM
            self._house.restart_service(number)

    def _kill(self) -> None:
        found = self._house.processes()
        # A screen is slower to come back than an agent, and is to be used as well.
        part = self._chance.choice(["agent", "agent", "command", "command", "program", "screen"])
        if part not in found:
            return
        victim = self._chance.choice(found[part])
        if part == "agent" and self._chance.random() < 0.3:
            self.counts["agent stopped"] += 1
            end(victim, signal.SIGSTOP)
            time.sleep(self._chance.uniform(0.5, 8))
            end(victim, signal.SIGCONT)
        else:
            self.counts[f"{part} killed"] += 1
            end(victim)
