"""What all screens do alike: their keys call actions of the table, if they can be done there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.await_complete import AwaitComplete
from textual.dom import DOMNode

from qtower.ui.actions import BY_ID, LACKING, Action, Needs, Scope, call_of, is_offered

if TYPE_CHECKING:
    from textual.screen import Screen

    from qtower.ui.tower import Tower

    Base = Screen[Any]
else:
    Base = object  # beside Textual's Screen or ModalScreen, not above it


class Acting(Base):
    """Stands before `Screen` or `ModalScreen` among the bases of a screen."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ()
    """Whose keys work here, the screen's own first: help shows them in this order."""

    app: Tower

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """`SCOPES`, or what of them counts at the moment."""
        return self.SCOPES

    def has(self, needs: Needs) -> bool:
        """True if there is what an action is done to."""
        return True

    def target_of(self, action: Action) -> DOMNode:
        """The part of the screen that does the action."""
        return self

    def why_not(self, action: Action) -> str:
        """Why the action cannot be done now; empty if it can."""
        return "" if self.has(action.needs) else LACKING[action.needs]

    def refuse(self, action: Action, why: str) -> None:
        """Says why an action is not done."""
        self.app.say("info", action.title, why)

    def on_connection_changed(self) -> None:
        """The agent may have been started again for an account that is only looked at."""
        self.query("Hints").refresh()

    async def call_action(self, action: Action) -> None:
        """Does an action of the table as its key would: for clicks and the palette."""
        if action.scope is Scope.APP:
            await self.app.run_action(call_of(action))
        else:
            await self.action_act(action.id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key is there while its scope counts; read-only, none is there that changes anything."""
        if action != "act":
            return True
        called = BY_ID[str(parameters[0])]
        return called.scope in self.scopes and is_offered(called, self.app.read_only)

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Ends this screen, once, and with it what a person has opened over it meanwhile.

        Textual ends whichever screen is on top: a second Esc that waits in line while a screen
        goes would end the one below, or the app.
        """
        if self not in self.app.screen_stack:
            return AwaitComplete()
        while self.app.screen is not self:
            self.app.screen.dismiss()
        return super().dismiss(result)

    async def action_act(self, name: str) -> None:
        """Does the action `name` of the table, or says why not."""
        action = BY_ID[name]
        if not is_offered(action, self.app.read_only):
            self.refuse(action, "qtower is read-only here: nothing is changed.")
        elif why_not := self.why_not(action):
            self.refuse(action, why_not)
        else:
            await self.app.run_action(action.call or action.id, self.target_of(action))
