"""`make soak`, or `python -m tests.soak [--minutes 30] [--seed N] [--json FILE]`.

Exit code 1 if anything was lost, doubled or wrong, or if a process was left.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.soak.gauges import Gauges
from tests.soak.house import House, end, wait_for
from tests.soak.people import AtTheCommandLine, AtTheScreen, OldProgram, Person
from tests.soak.trouble import Trouble
from tests.soak.verdict import compare, settled

_SETTLE_SECONDS = 300.0


def soak(minutes: float, seed: int, directory: Path) -> dict[str, Any]:
    """Lives through it, and returns the report."""
    house = House(directory)
    try:
        screen = AtTheScreen(house, seed)
        command_lines = [AtTheCommandLine(house, seed + number) for number in (1, 2)]
        people: list[Person] = [screen, *command_lines, OldProgram(house, seed + 3)]
        trouble, gauges = Trouble(house, seed + 4), Gauges(house)
        for each in (*people, gauges, trouble):
            each.start()
        deadline = time.monotonic() + 60 * minutes
        while time.monotonic() < deadline and not trouble.failure:
            time.sleep(0.5)
        trouble.stop()
        for person in people:
            person.stop()
        gauges.stop()
        report = _end(house, screen)
        report |= {
            "seed": seed,
            "minutes": minutes,
            "keys": screen.done,
            "commands": sum(each.done for each in command_lines),
            "trouble": dict(trouble.counts.most_common()),
            "memory and files": gauges.thirds(),
        }
        report["problems"] += [trouble.failure] if trouble.failure else []
        report["problems"] += [words for each in command_lines for words in each.wrong]
        # 137: killed; 0: quit. What else a screen ends with is a fault of its own.
        odd = [code for code in screen.ended if code not in (0, -9)]
        report["problems"] += [f"a screen ended with {code}" for code in odd]
        return report
    finally:
        for part in house.processes().values():
            for process in part:
                end(process)
        house.close()


def _end(house: House, screen: AtTheScreen) -> dict[str, Any]:
    """Sends what is left, waits until all is told, ends everything, and compares."""
    began = time.monotonic()
    problems = []
    screen.terminal.process.close(force=True)
    # What a screen was sending is offered when its agent has gone, not before.
    wait_for(lambda: not {"agent", "command"} & house.processes().keys(), 30)
    sent = house.run("unsent", "send", seconds=_SETTLE_SECONDS)
    if sent.returncode:
        problems.append(f"`qtower unsent send` ended with {sent.returncode}: {sent.stdout}")
        problems.append(sent.stderr[-2000:])
    screen.terminal = screen._open()
    told = wait_for(lambda: not screen.terminal.read(0.2) or settled(house), _SETTLE_SECONDS)
    if not told:
        problems.append(f"the journal was not complete after {_SETTLE_SECONDS:.0f} s")
    seconds = time.monotonic() - began
    screen.send("escape", "escape", "escape", "q")
    if not wait_for(lambda: not screen.terminal.read(0.2) and not house.processes(), 10):
        left = {part: len(found) for part, found in house.processes().items()}
        problems.append(f"still running: {left}")
    verdict = compare(house)
    return {
        "jobs": verdict.jobs,
        "sets": verdict.sets,
        "kept results": verdict.results,
        "statuses": verdict.by_status,
        "seconds until all was told": round(seconds, 1),
        "problems": [*problems, *verdict.problems],
    }


def main() -> int:
    """Reads the command line, and prints the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--json", type=Path, help="where the report goes as JSON")
    parser.add_argument("--keep", type=Path, help="a new directory that is kept")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, {chosen.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix="qtower-soak-") as temporary:
        directory = chosen.keep or Path(temporary)
        report = soak(chosen.minutes, chosen.seed, directory)
    for name, value in report.items():
        if name == "problems":
            continue
        if isinstance(value, dict):
            print(f"{name}:")
            for part, figures in value.items():
                print(f"    {part}: {figures}")
        else:
            print(f"{name}: {value}")
    for problem in report["problems"]:
        print(f"PROBLEM {problem}")
    print("nothing lost, nothing doubled" if not report["problems"] else "NOT as promised")
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2))
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
