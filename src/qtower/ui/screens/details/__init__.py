"""The details of one job: a screen with a tab a module."""

from qtower.ui.screens.details.screen import DetailsScreen

__all__ = ["DetailsScreen"]
