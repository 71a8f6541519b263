"""`python -m qtower` is `qtower`."""

from qtower.cli import main

main()
