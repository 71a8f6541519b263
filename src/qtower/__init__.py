"""qtower: a control tower for quantum jobs, in a terminal."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("qtower")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
