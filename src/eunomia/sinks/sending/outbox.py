"""On the way to one place: through its spool, sent again until it is taken."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, RLock
from typing import Generic

from eunomia.sinks.sending.backoff import FIRST_S, Backoff
from eunomia.sinks.sending.destination import Destination, Item, Refused, Unavailable
from eunomia.sinks.sending.framing import Framing
from eunomia.sinks.sending.spool import EARLIER, NotSpooledError, Spool

_ROUND_S = 1.0
_FULL_S = 2.0
"""How often a spool that had no room is tried while nothing comes."""
_QUIET_S = 60.0
"""How long a failure is told of while nothing waits that could show whether it is over."""
SYNC_S = 0.1
"""How often at most the disk is waited for."""


@dataclass
class Delivered:
    """What became of what one place was to get. Any thread may read it.

    Attributes:
        delivered: what it has taken.
        retried: attempts that failed.
        spooled: what waits on disk.
        dropped: cause -> what will never arrive.
        refused: what it said when it last refused something.
        error: why the last attempt failed, or why nothing can wait on disk; empty when all is well.
        since: when it began to fail, in seconds since 1970; None when it does not.
    """

    delivered: int = 0
    retried: int = 0
    spooled: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    refused: str = ""
    error: str = ""
    since: float | None = None


class Outbox(Generic[Item]):
    """Hands entries of a spool to a place. What it does not take waits on disk, in order, is tried later and later.

    Every entry is in a file before it is sent, so that not even the end of this process loses it, and that file is
    synced, before or a moment later. When there is no room for it, it is sent all the same, but once only.

    One thread may `put` while another one sends: who puts never waits for the place, as long as the disk has room.

    Args:
        destination: the place.
        spool: what waits.
        framing: how the spool's entries are made.
        read: what the place is given of an entry; None when that is damaged.
        clock: monotonic seconds.
        first_s: how long it is left alone after it has been away once.
        what: what waits, in words.
    """

    def __init__(
        self,
        destination: Destination[Item],
        spool: Spool,
        framing: Framing,
        read: Callable[[bytes], Item | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        first_s: float = FIRST_S,
        what: str = "alerts",
    ) -> None:
        self._destination = destination
        self._spool = spool
        self._framing = framing
        self._read = read
        self._clock = clock
        self._backoff = Backoff(clock, first_s)
        self._what = what
        self._failed_s = 0.0
        self._try_spool_s = 0.0
        self._at_once = destination.at_once
        self._keep = Event()
        self._sync_again_s = 0.0
        self._away = self._full = ""  # why the place does not take any, and why the spool does not
        self._lock = RLock()  # of the spool and the counts
        self._sending = RLock()  # of the place
        self._lost: dict[int, Counter[str]] = defaultdict(Counter)
        self.counts = Delivered(spooled=spool.pending)

    def keep(self) -> None:
        """From now on nothing is sent: what comes and what waits stays on disk. Any thread may call it."""
        self._keep.set()

    def lost(self, owner: int) -> dict[str, int]:
        """Cause -> an owner's events that will never arrive. Any thread may ask."""
        with self._lock:
            return dict(self._lost.get(owner, {}))

    # To the spool.

    def put(self, entries: Sequence[bytes]) -> None:
        """Spools entries. What finds no room is sent at once or lost."""
        if not entries:  # which says nothing of the room that there is
            return
        try:
            with self._lock:
                self._drop("spool full", self._spool.append(entries))
                self._tell(full="")
                self.counts.spooled = self._spool.pending
        except NotSpooledError as error:
            with self._lock:
                self._drop("spool full", error.dropped)
                self._no_room(error)
                self.counts.spooled = self._spool.pending
            self._send_at_once(entries[error.written :], f"spool: {error.strerror}")

    def sync(self) -> None:
        """Has the disk keep what waits. At most so often: what comes in between is kept a moment later."""
        with self._lock:
            if self._spool.is_synced or self._clock() < self._sync_again_s:
                return
            self._sync_again_s = self._clock() + SYNC_S
            try:
                self._spool.sync()
            except OSError as error:
                self._tell(full=f"the disk may lose {self._what} that wait: {error.strerror}")

    def sync_now(self) -> None:
        """The same, however little time has passed."""
        self._sync_again_s = 0.0
        self.sync()

    # To the place.

    def send(self) -> None:
        """Sends for a while: what comes meanwhile is not to wait in memory for a long backlog."""
        end = self._clock() + _ROUND_S
        with self._sending:
            while self._waiting and self._due() and self._clock() < end:
                self._send_some()

    def tick(self) -> None:
        """Sends what waits, when it is time to; with nothing to send the place may have to be reminded."""
        if self._waiting:
            self.send()
        elif self._due():
            with self._sending:
                self._try(self._destination.remind)
        self.sync()
        self._recover()

    def _no_room(self, error: OSError) -> None:
        self._tell(full=f"{self._what} cannot wait on disk: {error.strerror}")
        self._try_spool_s = self._clock() + _FULL_S

    def _recover(self) -> None:
        """Finds out that all is well again though nothing comes that would show it."""
        now_s = self._clock()
        with self._lock:
            if self._full and now_s >= self._try_spool_s:
                try:
                    self._spool.try_room()
                    self._tell(full="")
                except OSError as error:
                    self._no_room(error)
            if self._away and not self._spool.pending and now_s >= self._failed_s + _QUIET_S:
                self._succeeded()

    @property
    def is_busy(self) -> bool:
        """Whether there is more to be sent just now."""
        return self._waiting and self._due()

    @property
    def _waiting(self) -> bool:
        with self._lock:
            return self._spool.pending > 0

    def _due(self) -> bool:
        return not self._backoff.left_s and not self._keep.is_set()

    def _send_some(self) -> None:
        with self._lock:
            place = self._spool.place
            try:
                some = self._spool.peek(self._at_once)
            except OSError as error:  # somebody removed the file, or the disk fails
                self._drop(f"spool: {error.strerror}", self._spool.give_up_oldest())
                self.counts.spooled = self._spool.pending
                return
        items: list[Item] = []
        for entry in some:
            if (item := self._read(entry)) is None:
                break
            items.append(item)
        if items:
            self._send(items, some[: len(items)], place)
        elif some:
            self._let_go(some[:1], place, damaged=True)

    def _send(self, items: list[Item], some: list[bytes], place: object) -> None:
        try:
            self._destination.send(items)
        except Unavailable as error:
            self._let_go(some[: error.taken], place)
            self.failed(error)
        except Refused as error:
            self._refused(error, some, place)
        else:
            self._let_go(some, place)
            self._at_once = min(2 * self._at_once, self._destination.at_once)
            self._succeeded()

    def _let_go(self, some: list[bytes], place: object, *, damaged: bool = False, refused: int | None = 0) -> None:
        """Counts entries as delivered, but for so many events that were refused (None: all), or as damaged.

        What the spool has dropped while it was being sent is counted as dropped already, and stays so.
        """
        with self._lock:
            if not some or self._spool.place != place:
                return
            gone = self._spool.owners(some)
            try:
                self._spool.advance(some)
            except OSError as error:  # they may be sent again by the next process
                self._no_room(error)
            if damaged:
                self._drop("damaged on disk", gone)
            else:
                lost = gone.total() if refused is None else min(refused, gone.total())
                self.counts.delivered += gone.total() - lost
                # Several entries go together only where each is one event, or all are one owner's.
                self._drop("refused", Counter({max(gone, default=EARLIER): lost}))
            self.counts.spooled = self._spool.pending

    def _refused(self, error: Refused, some: list[bytes], place: object) -> None:
        """Of several it may be one that was refused, so they are sent one by one, unless the others were taken."""
        self._complain(error)
        if len(some) > 1 and error.events is None:
            self._at_once = 1
            return
        self.counts.refused = str(error)
        self._let_go(some, place, refused=error.events)

    def _send_at_once(self, some: Sequence[bytes], otherwise: str) -> None:
        """Sends what cannot be kept, behind what is. What is not taken now is lost."""
        self.send()
        with self._sending:
            for begin in range(0, len(some), self._destination.at_once):
                self._send_or_lose(some[begin : begin + self._destination.at_once], otherwise)

    def _send_or_lose(self, part: Sequence[bytes], otherwise: str) -> None:
        if self._waiting or not self._due():
            self._lose(otherwise, part)
            return
        try:
            self._destination.send([item for entry in part if (item := self._read(entry)) is not None])
        except Unavailable as error:
            self._lose(otherwise, part[error.taken :])
            self._count(part[: error.taken])
            self.failed(error)
        except Refused as error:
            self.counts.refused = str(error)
            self._complain(error)
            self._lose("refused", part, error.events)
        else:
            self._count(part)
            self._succeeded()

    def _count(self, part: Sequence[bytes]) -> None:
        with self._lock:
            self.counts.delivered += sum(self._framing.weigh(entry).events for entry in part)

    def _lose(self, cause: str, part: Sequence[bytes], events: int | None = None) -> None:
        owners = self._owners(part)
        if events is not None and owners:
            with self._lock:
                self.counts.delivered += owners.total() - events
            owners = Counter({max(owners): events})
        with self._lock:
            self._drop(cause, owners)

    def _owners(self, part: Sequence[bytes]) -> Counter[int]:
        """Whose events entries are, and how many."""
        owners: Counter[int] = Counter()
        for weight in map(self._framing.weigh, part):
            owners[weight.owner] += weight.events
        return owners

    def _drop(self, cause: str, owners: Counter[int]) -> None:
        for owner, events in owners.items():
            if events:
                self.counts.dropped[cause] += events
                self._lost[owner][cause] += events

    def _try(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Unavailable as error:
            self.failed(error)
        except Refused as error:
            self._complain(error)

    def _complain(self, error: Unavailable | Refused) -> None:
        self._tell(away=str(error))
        self._failed_s = self._clock()

    def _tell(self, *, away: str | None = None, full: str | None = None) -> None:
        self._away = self._away if away is None else away
        self._full = self._full if full is None else full
        self.counts.error = "; ".join(one for one in (self._away, self._full) if one)

    def hurry(self) -> None:
        """Has a place that is left alone tried again at once. Any thread may call it."""
        self._backoff.hurry()

    def failed(self, error: Unavailable) -> None:
        """Leaves the place alone for a while."""
        self.counts.retried += 1
        self._complain(error)
        self.counts.since = self.counts.since or time.time()
        self._backoff.failed(error.wait_s)

    def _succeeded(self) -> None:
        self._backoff.succeeded()
        self._tell(away="")
        self.counts.since = None

    def close(self) -> None:
        """Closes the place; what waits stays on disk."""
        with self._sending, self._lock:
            self._destination.close()
            self._spool.close()
