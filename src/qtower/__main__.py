"""`python -m qtower` is `qtower`."""

from __future__ import annotations


def main() -> None:
    """Entry point of the program, which Ctrl+C ends in order from its first moment on."""
    try:
        from qtower.cli import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
