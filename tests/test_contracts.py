"""Who loads what: the contracts of docs/architecture.md, checked in fresh interpreters.

import-linter reads the imports that are written; this sees what is really loaded.
"""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter

import grimp
import pytest


def loaded(module: str) -> set[str]:
    """Names of all modules that importing `module`, and all modules below it, loads."""
    script = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module({module!r})\n"
        "below = getattr(package, '__path__', [])\n"
        "for found in pkgutil.walk_packages(below, package.__name__ + '.'):\n"
        "    importlib.import_module(found.name)\n"
        "print('\\n'.join(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("qtower.ui", {"qiskit", "qtower.desk", "qtower.service", "sqlalchemy", "numpy"}),
        ("qtower.desk", {"textual", "qtower.ui", "qtower.agent", "qtower.service"}),
        ("qtower.agent.link", {"qiskit", "textual", "qtower.desk", "sqlite3"}),
        ("qtower.service.app", {"qiskit", "textual", "qtower.desk", "qtower.agent", "qtower.ui"}),
        ("qtower.service.server", {"qiskit", "textual", "qtower.model", "numpy"}),
        ("qtower.service.local", {"qiskit", "textual", "starlette", "sqlalchemy", "uvicorn"}),
        ("qtower.cli.monitor", {"qiskit", "sqlalchemy", "textual"}),
        ("qtower.model", {"qiskit", "textual", "qtower.config", "qtower.desk"}),
    ],
)
def test_never_loaded(module: str, never: set[str]) -> None:
    assert not loaded(module) & never


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Neither late, inside a function, nor for their types alone."""
    graph = grimp.build_graph("qtower", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 250
    TopologicalSorter(imports).prepare()  # an error names the circle
