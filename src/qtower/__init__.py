"""qtower: a control tower for quantum jobs, in a terminal."""

__version__ = "0.1.0"  # pyproject.toml reads it here: asking for it would take 40 ms of each start
