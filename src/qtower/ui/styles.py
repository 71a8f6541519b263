"""Where the style sheets lie: in the wheel beside the code, in a source tree at its top."""

from __future__ import annotations

from pathlib import Path

from qtower.errors import StorageError


def sheets() -> list[Path]:
    """Every style sheet of the app, `app.tcss` first.

    Raises:
        StorageError: The installation has none.
    """
    package = Path(__file__).resolve().parents[1]
    for directory in (package / "styles", package.parents[1] / "styles"):
        if (directory / "app.tcss").is_file():
            others = sorted(file for file in directory.glob("*.tcss") if file.name != "app.tcss")
            return [directory / "app.tcss", *others]
    raise StorageError(
        "The style sheets of qtower are missing from this installation.", "Install qtower again."
    )
