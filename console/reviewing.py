"""Review on the page: what comes first, who holds it, and what becomes of a person's word.

For ten seconds a word waits in the browser of whoever said it, to be undone, while its photo is set aside. It is sent
when they are over or the page is left, and then taken as any other. A browser that ends without sending it has told
nobody anything: the photo comes up again when its time aside is over.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from console.errors import ConsoleError, UnfinishedError
from console.ledger import Identity, Ledger, identity_of
from monitoring import holding
from monitoring.errors import LabelRefusedError
from monitoring.holding import Desk, Reviewer
from monitoring.review import Reviewed, decide, sampled, waits
from vehiclevision.record import Outcome, Record, iso

# As long as anybody looks at one picture, and longer than a word waits in a browser.
HOLD_SECONDS: Final = 90.0
# So many words at once that stopped half-way: what stops them may go on.
MOST_FINISHED: Final = 3
# Light in which a picture is odd, on the gate's scale from 0 to 1.
DARK: Final = 0.12
BRIGHT: Final = 0.9
_ANOTHER_S: Final = ("Somebody else looks at that photo, or has decided it.", "Go on with the next one.")


@dataclass(frozen=True)
class Waiting:
    """One photo for a person, and why it comes when it comes."""

    record: Record
    interest: float
    why: str


@dataclass
class Sitting:
    """What one reviewer has skipped, and looks at."""

    skipped: set[Identity] = field(default_factory=set)
    shown: Record | None = None


@dataclass
class ReviewTable:
    """Everybody who reviews through this page; several threads may come at once."""

    desk: Desk
    ledger: Ledger
    threshold: Callable[[], float | None]
    clock: Callable[[], float] = time.monotonic
    # Until when photos are set aside, as far as this process knows: what is not here, the table refuses to show.
    _aside: dict[Identity, float] = field(default_factory=dict)
    _sittings: dict[str, Sitting] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sitting(self, reviewer: Reviewer) -> Sitting:
        """What this reviewer has done since the page was opened."""
        with self._lock:
            return self._sittings.setdefault(reviewer.mark, Sitting())

    def waiting(self) -> list[Waiting]:
        """What a person's word would teach most about comes first; what is decided or set aside does not come."""
        threshold, now = self.threshold(), self.clock()
        with self._lock:
            self._aside = {photo: until for photo, until in self._aside.items() if until > now}
            aside = set(self._aside)
        candidates = (record for record in self.ledger.newest_first() if _is_asked_for(record))
        return sorted(
            (interest(record, threshold) for record in candidates if identity_of(record) not in aside),
            key=lambda each: each.interest,
            reverse=True,
        )

    def next(self, reviewer: Reviewer, queue: Sequence[Waiting]) -> Waiting | None:
        """The first photo of the queue that nobody else holds, held for this reviewer from now on."""
        sitting = self.sitting(reviewer)
        for each in queue:
            if identity_of(each.record) in sitting.skipped:
                continue
            held = holding.hold(self.desk, each.record, reviewer, HOLD_SECONDS)
            if held is not None and waits(held):
                self._show(reviewer, held)
                return Waiting(held, each.interest, each.why)
            self.ledger.look_again(each.record)
        self._show(reviewer, None)
        return None

    def finish(self) -> None:
        """Take a few words to their end that stopped half-way a while ago: nobody is shown those photos any more."""
        a_while_ago = iso(self.desk.now() - timedelta(seconds=HOLD_SECONDS))
        half_way = (
            record
            for record in self.ledger.newest_first()
            if record.reviewed_label and waits(record) and (record.reviewed_at or "") < a_while_ago
        )
        for record in islice(half_way, MOST_FINISHED):
            with contextlib.suppress(LabelRefusedError, ClientError, BotoCoreError):
                decide(self.desk, record, record.reviewed_label or "")
                self.ledger.look_again(record)

    def skip(self, reviewer: Reviewer, record: Record) -> None:
        """Leave a photo to others, or for another day."""
        self.sitting(reviewer).skipped.add(identity_of(record))
        holding.release(self.desk, record, reviewer)

    def set_aside(self, reviewer: Reviewer, record: Record) -> None:
        """Show a photo to nobody while a word on it may still be undone; ConsoleError if it is another's."""
        if holding.set_aside(self.desk, record, reviewer, HOLD_SECONDS) is None:
            self.ledger.look_again(record)
            raise ConsoleError(*_ANOTHER_S)
        with self._lock:
            self._aside[identity_of(record)] = self.clock() + HOLD_SECONDS

    def take_back(self, reviewer: Reviewer, record: Record) -> Record:
        """The photo whose word was undone, held to be looked at again; ConsoleError if it is another's by now."""
        held = holding.take_back(self.desk, record, reviewer, HOLD_SECONDS)
        self._is_aside_no_more(record)
        if held is None:
            raise ConsoleError(*_ANOTHER_S)
        return held

    def decide(self, reviewer: Reviewer, record: Record, label: str, *, again: bool = False) -> str:
        """Take a person's word and announce it; in words, what became of it. The same word twice is taken once."""
        try:
            reviewed = decide(self.desk, record, label, again=again, reviewer=reviewer)
        except (ClientError, BotoCoreError) as error:
            raise UnfinishedError(
                f"That word could not be taken to its end ({type(error).__name__}).",
                "What is missing is done by: vehiclevision reconcile --fix",
            ) from error
        finally:
            with contextlib.suppress(ClientError, BotoCoreError):
                self.ledger.look_again(record)
            self._is_aside_no_more(record)
        return _said(reviewed, again=again)

    def _is_aside_no_more(self, record: Record) -> None:
        with self._lock:
            self._aside.pop(identity_of(record), None)

    def _show(self, reviewer: Reviewer, record: Record | None) -> None:
        """What this reviewer looked at before is free for others, unless it is set aside."""
        sitting = self.sitting(reviewer)
        shown, sitting.shown = sitting.shown, record
        if shown is not None and (record is None or identity_of(shown) != identity_of(record)):
            holding.release(self.desk, shown, reviewer)


def interest(record: Record, threshold: float | None) -> Waiting:
    """How much a person's word on a photo would teach, and why, in a few words."""
    answers = sorted(record.inferences or [0.0], reverse=True)
    first, second = answers[0], answers[1] if len(answers) > 1 else 0.0
    near = _nearness(first, threshold) if threshold else first
    torn = second / first if first >= 0.2 else 0.0
    brightness = (record.measurements or {}).get("brightness")
    is_odd = isinstance(brightness, int | float) and not DARK <= brightness <= BRIGHT
    if torn > near:
        why = "two labels at odds"
    elif near >= 0.75:
        why = "close to the threshold"
    elif record.seconded_by:
        why = f"{record.seconded_by} agreed, drawn for a check"
    elif record.outcome is Outcome.CLASSIFIED:
        why = "sure, drawn for a check"
    else:
        why = "not sure"
    return Waiting(record, max(near, torn) + (0.2 if is_odd else 0.0), f"{why}, odd light" if is_odd else why)


def _nearness(first: float, threshold: float) -> float:
    """From nothing at either end to one at the threshold: above it there is less room than below."""
    room = threshold if first < threshold else 1 - threshold
    return 1 - abs(first - threshold) / room if room else 1.0


def _is_asked_for(record: Record) -> bool:
    """Whether a photo is put up for review and nobody has said anything of it."""
    if not waits(record) or record.reviewed_label is not None or record.inferences is None:
        return False
    if record.outcome is Outcome.NEEDS_REVIEW:
        return True
    return record.outcome is Outcome.CLASSIFIED and sampled(record)


def _said(reviewed: Reviewed, *, again: bool) -> str:
    """What became of a word, in words."""
    rider = f"the rider goes to {reviewed.route} orders" if reviewed.route else "no rider goes"
    announced = "corrected, and the correction announced" if again else "recorded and announced"
    return f"{reviewed.label}: {announced}; {rider}."


def reviewable(record: Record) -> bool:
    """Whether a person may say what the photo shows."""
    return record.inferences is not None and record.outcome is not Outcome.FAILED
