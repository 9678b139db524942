"""Review on the page: what comes first, who holds it, and ten seconds in which a decision can be taken back.

A decision waits here, while its photo is held, until the ten seconds are over; then it is taken as any other. If this
process ends in between, it takes what waits; if it is killed, the hold ends, the photo comes up again, and nobody was
told anything.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from console.errors import ConsoleError
from console.ledger import Identity, Ledger, identity_of
from monitoring import holding
from monitoring.errors import LabelRefusedError
from monitoring.holding import Desk, Reviewer
from monitoring.review import Reviewed, decide, sampled, waits
from vehiclevision.labels import TRUTHS
from vehiclevision.record import Outcome, Record

LOG: Final = logging.getLogger(__name__)
UNDO_SECONDS: Final = 10.0
# As long as anybody looks at one picture, and longer than a decision waits.
HOLD_SECONDS: Final = 90.0
# A bus or a table that does not answer is asked again, so often, before the person is told.
TRIES: Final = 3
KEPT_MESSAGES: Final = 5
# Light in which a picture is odd, on the gate's scale from 0 to 1.
DARK: Final = 0.12
BRIGHT: Final = 0.9


@dataclass(frozen=True)
class Waiting:
    """One photo for a person, and why it comes when it comes."""

    record: Record
    interest: float
    why: str


@dataclass
class Decision:
    """A person's word that is not taken yet."""

    record: Record
    label: str
    reviewer: Reviewer
    due: float
    again: bool = False
    tries: int = 0
    # On its way to the record and the bus: there is nothing to undo any more.
    is_being_taken: bool = False


@dataclass
class Sitting:
    """What one reviewer has done since the page was opened."""

    skipped: set[Identity] = field(default_factory=set)
    shown: Identity | None = None
    decided_at: deque[float] = field(default_factory=deque)
    messages: deque[tuple[str, str, bool]] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))

    @property
    def done(self) -> int:
        """How many were decided."""
        return len(self.decided_at)

    @property
    def pace_seconds(self) -> float | None:
        """How long one of the last twenty took."""
        last = list(self.decided_at)[-20:]
        return (last[-1] - last[0]) / (len(last) - 1) if len(last) > 1 else None


@dataclass
class ReviewTable:
    """Everybody who reviews through this page; several threads may come at once."""

    desk: Desk
    ledger: Ledger
    threshold: Callable[[], float | None]
    clock: Callable[[], float] = time.monotonic
    # Without a second, whoever decides waits until it is taken: where nothing goes on between two requests.
    undo_seconds: float = UNDO_SECONDS
    _decisions: dict[Identity, Decision] = field(default_factory=dict)
    _sittings: dict[str, Sitting] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def sitting(self, reviewer: Reviewer) -> Sitting:
        """What this reviewer has done."""
        with self._lock:
            return self._sittings.setdefault(reviewer.mark, Sitting())

    def waiting(self) -> list[Waiting]:
        """What a person's word would teach most about comes first; what is decided or being decided does not come."""
        threshold = self.threshold()
        with self._lock:
            busy = set(self._decisions)
        candidates = (record for record in self.ledger.newest_first() if _is_asked_for(record))
        return sorted(
            (interest(record, threshold) for record in candidates if identity_of(record) not in busy),
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
                self._let_go(reviewer, identity_of(held))
                sitting.shown = identity_of(held)
                return Waiting(held, each.interest, each.why)
            self.ledger.look_again(each.record)
        self._let_go(reviewer, None)
        return None

    def skip(self, reviewer: Reviewer, photo: Identity) -> None:
        """Leave a photo to others, or for another day."""
        self.sitting(reviewer).skipped.add(photo)
        self._let_go(reviewer, None)

    def decide(self, reviewer: Reviewer, record: Record, label: str, *, again: bool = False) -> None:
        """Take a person's word, which is announced when there is no time left to undo it."""
        if label not in TRUTHS:
            raise ConsoleError(f"{label[:40]!r} is no label.", f"Use {', '.join(TRUTHS)}.")
        with self._lock:
            if identity_of(record) in self._decisions:
                raise ConsoleError("That photo is being decided right now.", "Undo that first, or go on.")
            held = holding.hold(self.desk, record, reviewer, HOLD_SECONDS, again=again)
            if held is None or (not again and not waits(held)):
                self.ledger.look_again(record)
                raise ConsoleError("Somebody else looks at that photo, or has decided it.", "Go on with the next one.")
            due = self.clock() + self.undo_seconds
            self._decisions[identity_of(record)] = Decision(held, label, reviewer, due, again)
            sitting = self.sitting(reviewer)
            sitting.decided_at.append(self.clock())
            sitting.shown = None
        if not self.undo_seconds:
            self.take_due(everything=True)

    def undo(self, reviewer: Reviewer) -> Record | None:
        """Take back this reviewer's last word that is not taken yet; its photo, or None if there is none."""
        with self._lock:
            own = [each for each in self._decisions.values() if each.reviewer == reviewer and not each.is_being_taken]
            if not own:
                return None
            last = max(own, key=lambda each: each.due)
            del self._decisions[identity_of(last.record)]
            sitting = self.sitting(reviewer)
            if sitting.decided_at:
                sitting.decided_at.pop()
        return last.record

    def pending(self, reviewer: Reviewer) -> list[tuple[Decision, float]]:
        """This reviewer's words until it is known what became of them, with the seconds left to take each back."""
        with self._lock:
            own = [each for each in self._decisions.values() if each.reviewer == reviewer]
        return [(each, max(0.0, each.due - self.clock())) for each in sorted(own, key=lambda each: -each.due)]

    def take_due(self, *, everything: bool = False) -> None:
        """Take what nobody has taken back in time."""
        with self._lock:
            waiting = [each for each in self._decisions.values() if not each.is_being_taken]
            due = [each for each in waiting if everything or each.due <= self.clock()]
            for each in due:
                each.is_being_taken = True
        for each in due:
            self._take(each, last_try=everything)

    def _take(self, decision: Decision, *, last_try: bool) -> None:
        record, sitting = decision.record, self.sitting(decision.reviewer)
        try:
            reviewed = decide(self.desk, record, decision.label, again=decision.again, reviewer=decision.reviewer)
            sitting.messages.appendleft((record.s3_key, _said(reviewed, again=decision.again), True))
        except LabelRefusedError as error:
            sitting.messages.appendleft((record.s3_key, str(error), False))
        except (ClientError, BotoCoreError) as error:
            decision.tries += 1
            if decision.tries < TRIES and not last_try:
                with self._lock:
                    decision.due, decision.is_being_taken = self.clock() + 1, False
                return
            sitting.messages.appendleft((record.s3_key, _unfinished(error), False))
        except Exception as error:  # the outermost handler of a word: it tells the person, and the next word is taken
            LOG.exception("The word %r on %r could not be taken", decision.label, record.s3_key)
            sitting.messages.appendleft((record.s3_key, f"The page itself is at fault. {_unfinished(error)}", False))
        with contextlib.suppress(ClientError, BotoCoreError):
            self.ledger.look_again(record)
        with self._lock:
            del self._decisions[identity_of(record)]

    def _let_go(self, reviewer: Reviewer, but: Identity | None) -> None:
        """What this reviewer looked at before is free for others, unless it is decided."""
        sitting = self.sitting(reviewer)
        shown, sitting.shown = sitting.shown, None
        if shown is not None and shown != but and shown not in self._decisions:
            for record in self.ledger.known([shown]):
                holding.release(self.desk, record, reviewer)


def interest(record: Record, threshold: float | None) -> Waiting:
    """How much a person's word on a photo would teach, and why, in a few words."""
    answers = sorted(record.inferences or [0.0], reverse=True)
    first, second = answers[0], answers[1] if len(answers) > 1 else 0.0
    near = max(0.0, 1 - abs(first - threshold) / threshold) if threshold else first
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


def _is_asked_for(record: Record) -> bool:
    """Whether a photo is put up for review and nobody has said anything of it."""
    if not waits(record) or record.reviewed_label is not None or record.inferences is None:
        return False
    if record.outcome is Outcome.NEEDS_REVIEW:
        return True
    return record.outcome is Outcome.CLASSIFIED and sampled(record)


def _unfinished(error: Exception) -> str:
    """Why a word may be half taken, and what finishes it."""
    return f"It could not be announced ({type(error).__name__}). Finish it with: vehiclevision reconcile --fix"


def _said(reviewed: Reviewed, *, again: bool) -> str:
    """What became of a word, in words."""
    rider = f"the rider goes to {reviewed.route} orders" if reviewed.route else "no rider goes"
    announced = "corrected, and the correction announced" if again else "recorded and announced"
    return f"{reviewed.label}: {announced}; {rider}."


def reviewable(record: Record) -> bool:
    """Whether a person may say what the photo shows."""
    return record.inferences is not None and record.outcome is not Outcome.FAILED
