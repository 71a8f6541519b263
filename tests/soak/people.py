"""Who submits: somebody at the screen, somebody with the command line, and an old program."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.e2e.terminal import KEYS, Terminal
from tests.soak.house import QTOWER, House

PROGRAM = Path(__file__).with_name("program.py")

_CIRCUIT = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[{qubits}];
creg c[{qubits}];
h q[0];
{gates}measure q -> c;
"""

_KEYS = [*"jjjjkkkJK?/ stzUCroe.<>gG1", "enter", "escape", "escape", "escape", "tab", "ctrl+r"]
_KEYS += ["up", "down", "left", "right", "pagedown", "ctrl+p", "ctrl+z", "c", "y"]


def write_circuit(house: House, name: str, chance: random.Random) -> Path:
    """A small circuit of its own."""
    qubits = chance.randrange(1, 6)
    gates = "".join(f"cx q[{place}], q[{place + 1}];\n" for place in range(qubits - 1))
    file = house.circuits / f"{name}.qasm"
    file.write_text(_CIRCUIT.format(qubits=qubits, gates=gates))
    return file


class Person(threading.Thread):
    """Somebody who goes on until they are told to stop."""

    def __init__(self, house: House, seed: int) -> None:
        super().__init__(daemon=True)
        self.house = house
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.done = 0  # keys, commands, submissions
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self.stopping.is_set():
            self.act()

    def act(self) -> None:
        """Does one thing."""

    def stop(self) -> None:
        """Ends it and waits."""
        self.stopping.set()
        self.join(120)


class AtTheScreen(Person):
    """Presses random keys, submits by the form, quits now and then, and starts it again."""

    def __init__(self, house: House, seed: int) -> None:
        super().__init__(house, seed)
        self.terminal = self._open()
        self.ended: list[int] = []

    def _open(self) -> Terminal:
        return Terminal(
            QTOWER,
            directory=Path.cwd(),
            environment=self.house.environment,
            columns=self.chance.choice([80, 120, 160]),
            rows=self.chance.choice([24, 40]),
        )

    def act(self) -> None:
        if not self.terminal.read(self.chance.uniform(0.0, 0.3)):
            self.ended.append(self.terminal.wait_for_end(10))
            self.terminal = self._open()
            return
        self.done += 1
        luck = self.chance.random()
        if luck < 0.02:
            self._submit()
        elif luck < 0.023:
            self.send("escape", "escape", "escape", "escape", "q", "s")
        else:
            self.send(self.chance.choice(_KEYS))

    def send(self, *keys: str) -> None:
        """Presses keys; the screen may end meanwhile."""
        for key in keys:
            try:
                self.terminal.process.send(KEYS.get(key, key))
            except OSError:
                return
            if not self.terminal.read(0.2 if key == "escape" else 0.05):
                return

    def _submit(self) -> None:
        file = write_circuit(self.house, f"screen-{self.done}", self.chance)
        self.send("escape", "escape", "escape", "escape", "n")
        self.terminal.read(1.0)
        self.send("\x01", "\x0b", str(file))  # to the beginning, and all away
        self.terminal.read(0.5)
        self.send("ctrl+s")
        self.terminal.read(1.0)
        self.send("ctrl+s")


class AtTheCommandLine(Person):
    """Submits sets of several jobs, and looks at what became of them; is killed now and then."""

    def act(self) -> None:
        self.done += 1
        name = f"command-{self.ident}-{self.done}"
        luck = self.chance.random()
        if luck < 0.5:
            files = [str(write_circuit(self.house, name, self.chance))]
            files *= self.chance.randrange(1, 9)
            how = self.chance.choice([[], ["--wait"], ["--background"], ["--always"]])
            self._run("submit", *files, "--name", name, "--experiments-per-job", "1", *how)
        elif luck < 0.75:
            self._run("unsent", "send")
        else:
            self._run(self.chance.choice(["list", "unsent"]))
        self.stopping.wait(self.chance.uniform(0, 3))

    def _run(self, *arguments: str) -> None:
        process = subprocess.Popen(
            [*QTOWER, *arguments],
            env=self.house.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, complaint = process.communicate(timeout=self.chance.choice([2.5, 10, 60]))
        except subprocess.TimeoutExpired:
            process.kill()
            _, complaint = process.communicate()
        if "Traceback" in complaint:
            self.wrong.append(complaint[-2000:])


class OldProgram(Person):
    """Keeps a program running that uses the provider alone and writes down what it was told."""

    def act(self) -> None:
        self.done += 1
        process = subprocess.Popen(
            [
                *(sys.executable, str(PROGRAM), self.house.proxy.url, str(self.house.file)),
                *(f"program-{self.done}", str(self.chance.randrange(1 << 30))),
            ],
            env={**self.house.environment, "QE_TOKEN": self.house.endpoint.token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not self.stopping.wait(0.5):
            pass
        process.kill()
        process.wait()
        time.sleep(0.5)
