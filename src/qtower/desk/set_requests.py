"""What a person asks and wants of sets: planned, sent, steered, filled up; what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec.structs import replace

from qtower import model
from qtower.desk.bulletin import Bulletin
from qtower.desk.intents import Intents, Sending, Wish
from qtower.desk.offers import Offers
from qtower.desk.reach import Reach
from qtower.desk.registry import Changes, Registry
from qtower.desk.unfinished import Unfinished
from qtower.desk.workshop import Workshop


class SetRequests:
    """The answers to requests about the sets of an account. Safe for all threads."""

    def __init__(
        self,
        account_name: str,
        registry: Registry,
        intents: Intents,
        reach: Reach,
        bulletin: Bulletin,
        work: Callable[[], Workshop],
        *,
        publish: Callable[[Callable[[], Changes]], object],
        clock: Callable[[], float],
    ) -> None:
        """`work` returns the workshop, made when it is first needed; `publish` tells the rows
        that a call changes."""
        self._registry = registry
        self._intents = intents
        self._reach = reach
        self._bulletin = bulletin
        self._work = work
        self._publish = publish
        self._clock = clock
        self._unfinished = Unfinished(intents, account_name)
        self._offers = Offers(
            self._unfinished,
            intents,
            registry,
            publish=publish,
            warn=bulletin.warn,
            clock=clock,
        )

    # -- new ones -------------------------------------------------------------------------------

    def backends(self, request: model.GetBackends) -> model.Backends:
        """All backends of the provider, with their queues and limits."""
        return self._work().backends(self._reach.provider(), self._reach.host)

    def read_files(self, request: model.ReadFiles) -> model.FileReports:
        """What files hold that are to be submitted."""
        return self._work().read_files(request.paths)

    def plan(self, request: model.MakePlan) -> model.Plan:
        """What an order would send; it is kept for `submit`."""
        return self._work().plan(request.order, self._reach.provider(), self._reach.host)

    def submit(self, request: model.Submit) -> model.Submitted:
        """Sends a plan."""
        submitted = self._work().submit(request.plan_id, Wish.ALWAYS if request.always else Wish.GO)
        self._reach.nudge()
        return submitted

    def submit_samples(self, request: model.SubmitSamples) -> model.Submitted:
        """Sends the samples."""
        submitted = self._work().submit_samples(self._reach.provider(), self._reach.host)
        self._reach.nudge()
        return submitted

    # -- those that are not wholly sent ---------------------------------------------------------

    def unsent(self, request: model.GetUnsent) -> model.Unsent:
        """The sets that are not wholly sent."""
        return model.Unsent(sets=self._unfinished.sets())

    def steer(self, request: model.SteerSet) -> model.Unsent:
        """Sends, pauses, stops or gives up what was not sent."""
        self._unfinished.steer(
            request.set_id,
            request.steer,
            resume=self._resume,
            publish=self._publish,
            registry=self._registry,
            now=self._clock(),
        )
        self.tell()
        return model.Unsent(sets=self._unfinished.sets())

    def coverage(self, request: model.GetCoverage) -> model.Coverage:
        """What a set covers, and its holes."""
        from qtower.desk.coverage import coverage_of

        return coverage_of(request.set_id, self._registry, self._intents)

    def fill_holes(self, request: model.FillHoles) -> model.Submitted:
        """Sends the holes of a set once more."""
        from qtower.desk.coverage import coverage_of, fillable

        found = coverage_of(request.set_id, self._registry, self._intents)
        kept, failed = fillable(found)
        if kept:
            self.steer(model.SteerSet(set_id=found.set_id, steer=model.Steer.SEND))
        if not failed:
            return model.Submitted(set_id=found.set_id, name=found.name, keys=kept)
        jobs = [(self._registry.row(key), self._reach.managed_job(key)) for key in failed]
        again = self._work().submit_again(
            f"{found.name} again", jobs, self._reach.provider(), self._reach.host
        )
        self._reach.nudge()
        return replace(again, keys=[*kept, *again.keys])

    def _resume(self, sending: Sending, wish: Wish) -> None:
        whole = sending.intent
        self._work().resume(
            whole.set_id, whole.backend, wish, self._reach.provider(), self._reach.host
        )
        self._reach.nudge()

    # -- what is told of them -------------------------------------------------------------------

    def tell(self) -> None:
        """Tells the sets that are not wholly sent, if anything changed."""
        self._bulletin.tell_sending(self._unfinished.news)

    def tell_all(self) -> None:
        """Tells them for a listener that has just come: also that there is none."""

        def all_of_them() -> list[model.UnsentSet]:
            news = self._unfinished.news()
            return self._unfinished.sets() if news is None else news

        self._bulletin.tell_sending(all_of_them)

    def moved(self, set_id: str, waits_for: str) -> None:
        """The sending of a set, by this process, has come further, or waits for something."""
        self._unfinished.note(set_id, waits_for)
        self.tell()

    def look(self) -> None:
        """Another sender may have ended."""
        self._offers.look()

    def offer(
        self,
        unsent: Collection[str],
        go_on: Callable[[model.SteerSet], object] | None,
        *,
        aloud: bool,
    ) -> None:
        """Settles what nobody sends, as `Offers.settle`, and offers it or sends it on.

        Not `aloud` it is listed, and no more.
        """
        self._offers.settle(unsent)
        if aloud:
            self._offers.tell(go_on)
        self._intents.tidy()
