"""Imports of many modules at a time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Keeps the garbage collector from looking through what is imported, again and again.

    What modules define stays, so it is never looked through later either. Without that Textual
    takes 6 % less processor time to import, and the provider 14 %.
    """
    worked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if worked:
            gc.enable()
