"""What is left of an account's requests, and how many the last minute had: the numbers alone.

A bucket holds a third of a minute's requests and fills with two thirds of them a minute. Times are
seconds of one clock, which several processes may share and somebody may set: a claim of a process
that may be dead by now runs out, and when the clock is set back all begins anew.
"""

from __future__ import annotations

import struct
import zlib

_MINUTE = 60
_SECONDS = _MINUTE + 1  # of which requests are known: a minute ago is in the middle of the first
_BURST = 1 / 3
_TURNS = 3  # requests of submissions before one of a poller: create, upload, notify
_CLAIM_SECONDS = 3.0  # a place in line counts so much longer than its owner meant to wait
_SET_BACK = 5.0  # s: a clock that was set back by less stands still until then

_MAGIC = b"qtcalls1"
_NUMBERS = struct.Struct(f"<8s7dII{_SECONDS}I")
_CHECKSUM = struct.Struct("<I")

SIZE = _NUMBERS.size + _CHECKSUM.size
"""Bytes of a tally that is written down."""


class Tally:
    """The numbers at `now`; every change of them is a method.

    `changed` says whether they differ from what was written down last.
    """

    per_minute: int | None
    now: float
    changed: bool
    _left: float
    _lent: float  # to persons, who make up for it as fast as the bucket fills
    _counts: list[int]  # by second, modulo `_SECONDS`
    _turns: int  # requests of submissions since a poller could go
    _wanted_until: float  # a submission waits
    _booked_since: float  # a poller waits, before submissions and other pollers,
    _booked_until: float  # and may be dead after that
    _held_until: float
    _unwritten: int  # requests
    _unwritten_limit: bool

    __slots__ = tuple(__annotations__)

    def __init__(self, per_minute: int | None, now: float) -> None:
        """A full bucket. With None there is no limit, and requests are counted all the same."""
        self.per_minute = per_minute
        self._unwritten = 0
        self._unwritten_limit = False
        self._begin(now)

    def move_to(self, now: float) -> None:
        """Lets the time pass until `now`."""
        passed = now - self.now
        if passed < -_SET_BACK:
            self._begin(now)
        elif passed > 0:
            self._left = min(self._burst(), self._left + passed * self._rate())
            self._lent = max(0.0, self._lent - passed * self._rate())
            last, second = int(self.now), int(now)
            for each in range(max(last, second - _SECONDS) + 1, second + 1):
                self._counts[each % _SECONDS] = 0
            self.now = now
        if self._left < 0:
            # What persons borrowed more than a minute ago keeps nobody else: with what is left now
            # no minute has more than it may.
            unused = self._burst() - sum(self._counts)
            if unused > self._left:
                self._left = unused
                self.changed = True

    # -- what there is --------------------------------------------------------------------------

    @property
    def left(self) -> float:
        """Requests that may be made without borrowing; less than 0: others wait so long."""
        return self._left

    @property
    def used(self) -> int:
        """Requests in the last minute."""
        return sum(self._counts) - self._counts[(int(self.now) - _MINUTE) % _SECONDS]

    @property
    def held(self) -> float:
        """Seconds that the endpoint is left alone, except for what persons ask."""
        return max(0.0, self._held_until - self.now)

    def until_person(self) -> float:
        """Seconds until a person may ask: at once, unless a minute's worth has been borrowed."""
        if not self.per_minute or self._left >= 1:
            return 0.0
        return max(0.0, (self._lent + 1 - self.per_minute) / self._rate())

    def until_submission(self) -> float:
        """Seconds until a submission may ask: where a poller stands in line, that goes first."""
        tokens = 2.0 if self._booked_until > self.now else 1.0
        return max(self._until(tokens), self.held)

    def until_poller(self, since: float, *, wanted: bool) -> float:
        """Seconds until a poller may ask that waits `since` then.

        Pollers stand in line before submissions, the one first that waits longest; unless a
        submission waits, here (`wanted`) or elsewhere, whose turn it is.
        """
        booked = self._booked_until > self.now
        if booked and self._booked_since < since:
            return max(self._until(2.0), self.held)
        wanted = wanted or self._wanted_until > self.now
        yields = wanted and self._turns < _TURNS and not booked
        seconds = max(self._until(2.0 if yields else 1.0), self.held)
        if not seconds:
            self.changed |= booked or self._turns > 0
            self._booked_until, self._turns = self.now, 0
        elif not yields:
            self._booked_since = since
            self._booked_until = self.now + seconds + _CLAIM_SECONDS
            self.changed = True
        return seconds

    # -- what happens ---------------------------------------------------------------------------

    def spend(self, requests: int = 1) -> None:
        """Requests are made; what is not left is borrowed."""
        self._lent += requests - min(requests, max(0, int(self._left)))
        self._left -= requests
        self._counts[int(self.now) % _SECONDS] += requests
        self._unwritten += requests
        self.changed = True

    def give_back(self) -> None:
        """A request was not made after all."""
        for ago in range(_SECONDS):
            second = (int(self.now) - ago) % _SECONDS
            if self._counts[second]:
                self._counts[second] -= 1
                if self._left < 0:
                    self._lent = max(0.0, self._lent - 1)
                self._left = min(self._burst(), self._left + 1)
                self._unwritten -= 1
                self.changed = True
                return

    def want(self) -> None:
        """A submission waits, or will ask again in a moment."""
        self._wanted_until = self.now + _CLAIM_SECONDS
        self.changed = True

    def take_turn(self) -> None:
        """A submission asked."""
        self._turns = min(_TURNS, self._turns + 1)
        self.want()

    def hold(self, seconds: float) -> None:
        """The endpoint is left alone so long, except for what persons ask."""
        self._held_until = max(self._held_until, self.now + seconds)
        self.changed = True

    def allow(self, per_minute: int | None) -> None:
        """Sets the limit. The bucket is then full but for what the last minute had."""
        self.per_minute = per_minute
        self._left, self._lent = self._burst() - self.used, min(self._lent, per_minute or 0)
        self._unwritten_limit = self.changed = True

    # -- as bytes -------------------------------------------------------------------------------

    def packed(self) -> bytes:
        """Returns it as `SIZE` bytes."""
        numbers = _NUMBERS.pack(
            _MAGIC,
            self.now,
            self._left,
            self._lent,
            self._held_until,
            self._booked_since,
            self._booked_until,
            self._wanted_until,
            self.per_minute or 0,
            self._turns,
            *self._counts,
        )
        return numbers + _CHECKSUM.pack(zlib.crc32(numbers))

    def written(self) -> None:
        """It was written down as it is."""
        self._unwritten = 0
        self._unwritten_limit = self.changed = False

    @classmethod
    def unpacked(cls, raw: bytes) -> Tally | None:
        """What `packed` returned; None: it is nothing of the kind, or not all of it."""
        if len(raw) != SIZE or not raw.startswith(_MAGIC):
            return None
        numbers = raw[: _NUMBERS.size]
        if _CHECKSUM.unpack(raw[_NUMBERS.size :]) != (zlib.crc32(numbers),):
            return None
        tally = cls.__new__(cls)
        _, tally.now, tally._left, tally._lent, *rest = _NUMBERS.unpack(numbers)
        tally._held_until, *rest = rest
        tally._booked_since, tally._booked_until, tally._wanted_until, *rest = rest
        tally.per_minute, tally._turns, *tally._counts = rest[0] or None, *rest[1:]
        tally.written()
        return tally

    def take_over(self, other: Tally) -> None:
        """Adds what `other`, an earlier copy of the same tally, has learned and not written."""
        if not other.changed:
            return
        if other.now > self.now:
            self.move_to(other.now)
        if other._unwritten_limit and other.per_minute != self.per_minute:
            self.allow(other.per_minute)
        if other._unwritten > 0:
            self.spend(other._unwritten)
        self._held_until = max(self._held_until, other._held_until)
        self.changed = True

    # -- inside ---------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self.now = now
        self._left, self._lent = self._burst(), 0.0
        self._held_until = self._booked_since = self._booked_until = self._wanted_until = now
        self._turns = 0
        self._counts = [0] * _SECONDS
        self.changed = True

    def _burst(self) -> float:
        return _BURST * (self.per_minute or 0)

    def _rate(self) -> float:
        return (1.0 - _BURST) * (self.per_minute or 0) / _MINUTE

    def _until(self, tokens: float) -> float:
        """Seconds until so many requests are left."""
        return max(0.0, (tokens - self._left) / self._rate()) if self.per_minute else 0.0
