"""What is on its way right now: from the upload to the announcement, told to every page that listens.

Nothing is looked at while nobody listens and nothing is on its way. Of photos that came in through this page the
versions are known, so that their records are looked up in one call; where the others are, the newest runs say.
"""

import asyncio
import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile
from typing import Final, Literal, TypeAlias, get_args

from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError

from console.deployed import Deployed
from console.ledger import Identity, Ledger, identity_of
from reconciling.letters import photo_of
from vehiclevision.record import Outcome, Record, iso
from vehiclevision.refusal import Refusal
from vehiclevision.results import UPLOADS

Stage: TypeAlias = Literal["uploaded", "serialized", "classified", "filtered", "recorded", "announced"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
# The state that a run is in says how far its photo has come.
_STAGE_IN: Final = {"Classify image": 1, "Filter inferences": 2, "Record vehicle": 3, "Record outcome": 3}
RECORDED: Final = 4
ANNOUNCED: Final = 5

BUSY_SECONDS: Final = 0.5
IDLE_SECONDS: Final = 2.0
# Step Functions lets an account ask only so often for histories and runs.
HISTORIES_AT_ONCE: Final = 12
RUNS_AT_ONCE: Final = 50
MOST_RUNS_KNOWN: Final = 5_000
KEYS_PER_LOOK: Final = 300
# After so long without news a card stays as it is and says so.
OVERDUE_SECONDS: Final = 300.0
MOST_WAITING_MESSAGES: Final = 500
MOST_ARRIVALS: Final = 60


@dataclass
class Card:
    """One photo on its way."""

    photo: Identity
    stage: int = 0
    record: Record | None = None
    run: str = ""
    is_overdue: bool = False
    since: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        """What it is called on the page."""
        return card_id(self.photo)

    @property
    def key(self) -> str:
        """The photo's key."""
        return self.photo[1]

    @property
    def last_stage(self) -> int:
        """How far this photo goes: only what is classified is announced."""
        return RECORDED if self.record and self.record.outcome is not Outcome.CLASSIFIED else ANNOUNCED

    @property
    def way(self) -> list[tuple[str, str]]:
        """Each stage on its way, and whether it is done, or going on now; what is refused skips some."""
        stages = [0, RECORDED] if self.record and self.record.inferences is None else range(self.last_stage + 1)
        states = {number: "done" for number in stages if number <= self.stage}
        return [(STAGES[number], states.get(number) or ("now" if self._is_next(number) else "")) for number in stages]

    def _is_next(self, number: int) -> bool:
        return number == self.stage + 1 and not self.is_overdue

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.is_overdue or (self.record is not None and self.stage >= self.last_stage)


def card_id(photo: Identity) -> str:
    """A name for a photo that any page may carry."""
    return "p" + hashlib.sha256("\0".join(photo).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Live:
    """The photos on their way, and the pages that listen."""

    def __init__(self, deployed: Deployed, ledger: Ledger) -> None:
        self._client, self._ledger = deployed.client, ledger
        self._bucket, self._machine = deployed.output("BucketName"), deployed.output("StateMachineArn")
        self._cards: OrderedDict[Identity, Card] = OrderedDict()
        self._runs: OrderedDict[str, Identity | None] = OrderedDict()
        self._listeners: set[asyncio.Queue[Card]] = set()
        self._called = asyncio.Event()

    def uploaded(self, key: str, version_id: str) -> Card:
        """A photo has come into the bucket through this page."""
        card = self._cards.setdefault((self._bucket, key, version_id), Card((self._bucket, key, version_id)))
        self._tell([card])
        self._called.set()
        return card

    def card(self, photo: Identity) -> Card | None:
        """A photo that is on its way."""
        return self._cards.get(photo)

    def on_their_way(self) -> list[Card]:
        """All of them, the newest first."""
        return list(reversed(self._cards.values()))

    def listen(self) -> asyncio.Queue[Card]:
        """Every change from now on; `leave` ends it."""
        queue: asyncio.Queue[Card] = asyncio.Queue(MOST_WAITING_MESSAGES)
        if not self._listeners and not self._cards:
            self._ledger.watch()
        self._listeners.add(queue)
        self._called.set()
        return queue

    def hears(self, queue: "asyncio.Queue[Card]") -> bool:
        """Whether changes still come to this one; to one that fell behind they do not."""
        return queue in self._listeners

    def leave(self, queue: "asyncio.Queue[Card]") -> None:
        """No more changes for this one."""
        self._listeners.discard(queue)

    def ended(self, since: datetime) -> list[Card]:
        """What has ended since then, the newest first."""
        earliest = iso(since)
        ended = takewhile(lambda record: (record.recorded_at or "") >= earliest, self._ledger.newest_first())
        return [Card(identity_of(each), _stage_of(each), each) for each in islice(ended, MOST_ARRIVALS)]

    def arrivals(self, since: datetime) -> list[Card]:
        """What has ended since then and what is on its way, looked up anew and remembered nowhere."""
        cards = {card.photo: card for card in self.ended(since)}
        for run, photo in self._running():
            if photo not in cards:
                cards[photo] = Card(photo, self._stage(run), run=run)
        return list(cards.values())

    def stage_of(self, bucket: str, key: str) -> int:
        """How far a photo has come by its run; as if it had just come in where none is known."""
        with contextlib.suppress(ClientError, BotoCoreError):
            for run, photo in self._running():
                if photo[:2] == (bucket, key):
                    return self._stage(run)
        return 0

    async def watch(self) -> None:
        """Look again and again, for as long as somebody listens or something is on its way."""
        while True:
            if not self._listeners and not self._cards:
                self._ledger.ignore()
                self._called.clear()
                await self._called.wait()
            changed: dict[Identity, Card] = {}
            more_seconds = 0.0
            try:
                await to_thread.run_sync(self._look, changed)
            except (ClientError, BotoCoreError, Refusal):
                # It does not answer, or asks to slow down: the next look may do better, and pages keep what they have.
                more_seconds = IDLE_SECONDS
            finally:
                # However far a look came: what it saw is not seen again.
                self._tell(changed.values())
            await asyncio.sleep(more_seconds + (BUSY_SECONDS if self._cards else IDLE_SECONDS))

    def _tell(self, cards: Iterable[Card]) -> None:
        for card in cards:
            for queue in list(self._listeners):
                if queue.full():  # a page that fell behind: its stream ends, and it comes again
                    self._listeners.discard(queue)
                else:
                    queue.put_nowait(card)
            if card.has_ended:
                self._cards.pop(card.photo, None)

    def _look(self, changed: dict[Identity, Card]) -> None:
        """Add everything that has changed since the last look."""
        self._ledger.refresh()
        for record in self._ledger.watch():
            self._advance(changed, identity_of(record), record=record)
        pending = [card for card in islice(list(self._cards.values()), KEYS_PER_LOOK) if card.photo not in changed]
        recorded = self._ledger.results.look_up(self._bucket, [card.photo[1:] for card in pending])
        for record in recorded.values():
            self._ledger.take(record)
            self._advance(changed, identity_of(record), record=record)
        for run, photo in self._running():
            card = self._cards.get(photo)
            if card is None or card.record is None:
                self._advance(changed, photo, run=run)
        for card in list(self._cards.values()):
            if not card.has_ended and time.monotonic() - card.since > OVERDUE_SECONDS:
                card.is_overdue = True
                changed[card.photo] = card

    def _advance(
        self, changed: dict[Identity, Card], photo: Identity, *, record: Record | None = None, run: str = ""
    ) -> None:
        card = self._cards.setdefault(photo, Card(photo))
        before = card.stage, card.record, card.run
        card.record, card.run = record or card.record, run or card.run
        if record:
            card.stage = _stage_of(record)
        elif run:
            card.stage = max(card.stage, self._stage(run))
        if (card.stage, card.record, card.run) != before:
            changed[photo] = card

    def _running(self) -> list[tuple[str, Identity]]:
        """The newest runs that have not ended, and whose photos they are about."""
        step_functions = self._client("stepfunctions")
        listed = step_functions.list_executions(
            stateMachineArn=self._machine, statusFilter="RUNNING", maxResults=RUNS_AT_ONCE
        )["executions"]
        runs = []
        for execution in listed[:HISTORIES_AT_ONCE]:
            run = execution["executionArn"]
            if run not in self._runs:
                named = photo_of(step_functions.describe_execution(executionArn=run).get("input", ""))
                self._runs[run] = None
                if named and named.version_id and named.key.startswith(UPLOADS):
                    self._runs[run] = named.bucket, named.key, named.version_id
                if len(self._runs) > MOST_RUNS_KNOWN:
                    self._runs.popitem(last=False)
            if photo := self._runs[run]:
                runs.append((run, photo))
        return runs

    def _stage(self, run: str) -> int:
        events = self._client("stepfunctions").get_execution_history(
            executionArn=run, reverseOrder=True, maxResults=10, includeExecutionData=False
        )["events"]
        names = (event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event)
        return _STAGE_IN.get(next(names, ""), 0)


def _stage_of(record: Record) -> int:
    is_told = record.outcome is Outcome.CLASSIFIED and record.announced_at is not None
    return ANNOUNCED if is_told else RECORDED
