"""Runs every benchmark: each measures qtower and its rival in the same call."""

from __future__ import annotations

import warnings

from benchmarks import service, start, sweep

warnings.simplefilter("ignore")

for benchmark in (start, sweep, service):
    print(f"{benchmark.TITLE}")
    for line in benchmark.run():
        print(f"  {line}")
