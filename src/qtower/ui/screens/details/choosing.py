"""A tab that shows one of several experiments: found by index or name, stepped through."""

from __future__ import annotations

from textual import on

from qtower.ui.actions import Needs
from qtower.ui.screens.details.tab import DetailsTab
from qtower.ui.widgets.experiment_list import ExperimentList


class ExperimentTab(DetailsTab):
    """Composes an `ExperimentList`. A subclass implements `is_read` and `look_at`."""

    @property
    def is_read(self) -> bool:
        """True once the experiments, and what is shown of them, are there."""
        raise NotImplementedError

    def has(self, needs: Needs) -> bool:
        return self.is_read

    def look_at(self, index: int) -> None:
        """Shows experiment `index`, which has been chosen."""
        raise NotImplementedError

    def finding_left(self) -> None:
        """Nothing was chosen, and there may be more room again."""

    def action_find(self) -> None:
        """Types an index or a part of a name."""
        self.add_class("-finding")
        self.query_one(ExperimentList).find()

    def action_step(self, by: int) -> None:
        """The next or previous experiment."""
        self.query_one(ExperimentList).step(by)

    @on(ExperimentList.Chosen)
    def _experiment_chosen(self, event: ExperimentList.Chosen) -> None:
        event.stop()
        if event.taken:
            self.remove_class("-finding")
            self.focus_content()
        self.look_at(event.index)

    @on(ExperimentList.Left)
    def _finding_left(self, event: ExperimentList.Left) -> None:
        event.stop()
        self.remove_class("-finding")
        self.finding_left()
        self.focus_content()
