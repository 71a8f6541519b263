"""A working directory of somebody who would like his own modules to be run."""

from __future__ import annotations

import sys
from pathlib import Path

QTOWER = str(Path(sys.executable).with_name("qtower"))
"""The program as a user calls it, who does not say `python -m`."""

_OTHERS = ("click", "msgspec", "numpy", "psutil", "qiskit", "qtower", "requests", "textual")


class Trap:
    """Has a module of every name that is likely to be looked for; each leaves a trace."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "somebody else's"
        self._traces = directory / "traces"
        self.directory.mkdir()
        trace = f"open({str(self._traces)!r}, 'a').write(__name__ + '\\n')\n"
        for name in {*sys.stdlib_module_names, *_OTHERS} - set(sys.builtin_module_names):
            (self.directory / f"{name}.py").write_text(trace)

    @property
    def sprung(self) -> list[str]:
        """The modules that were run."""
        return self._traces.read_text().splitlines() if self._traces.exists() else []
