"""The job list on Textual's line API: only visible lines are drawn, from plain rows."""

from qtower.ui.joblist.titles import ColumnTitles
from qtower.ui.joblist.widget import JobList

__all__ = ["ColumnTitles", "JobList"]
