"""Submitting circuit files: one form, checked while it is filled in."""

from qtower.ui.screens.submit.screen import SubmitScreen

__all__ = ["SubmitScreen"]
