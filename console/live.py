"""What is on its way right now, from the upload to the announcement, for every page that asks.

Where photos are, the newest runs say, and how they ended, their records. Those that came in through this page are known
before their run has begun.
"""

import contextlib
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile
from typing import Final, Literal, TypeAlias, get_args

from botocore.exceptions import BotoCoreError, ClientError

from console.deployed import Deployed
from console.ledger import Identity, Ledger, identity_of
from vehiclevision.record import Outcome, Record, iso
from vehiclevision.results import UPLOADS

Stage: TypeAlias = Literal["uploaded", "serialized", "classified", "filtered", "recorded", "announced"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
# The state that a run is in says how far its photo has come.
_STAGE_IN: Final = {"Classify image": 1, "Filter inferences": 2, "Record vehicle": 3, "Record outcome": 3}
RECORDED: Final = 4
ANNOUNCED: Final = 5

# Step Functions lets an account ask only so often for histories and runs.
HISTORIES_AT_ONCE: Final = 12
RUNS_AT_ONCE: Final = 50
MOST_RUNS_KNOWN: Final = 5_000
# After so long without news a card stays as it is and says so.
OVERDUE_SECONDS: Final = 300.0
MOST_ARRIVALS: Final = 60


@dataclass(frozen=True)
class Card:
    """One photo on its way."""

    photo: Identity
    stage: int = 0
    record: Record | None = None
    is_overdue: bool = False

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
    """The photos on their way: nothing is looked at unless a page asks."""

    def __init__(self, deployed: Deployed, ledger: Ledger) -> None:
        self._deployed, self._ledger = deployed, ledger
        # What came in through this page and has no record yet, and when it came.
        self._sent: dict[Identity, float] = {}
        self._runs: OrderedDict[str, Identity | None] = OrderedDict()

    def uploaded(self, key: str, version_id: str) -> Card:
        """A photo has come into the bucket through this page."""
        photo = self._deployed.output("BucketName"), key, version_id
        self._sent[photo] = time.monotonic()
        return Card(photo)

    def run_of(self, photo: Identity) -> str | None:
        """The run of a photo on its way; empty where it has not begun, None where nobody knows of the photo."""
        runs = (run for run, known in self._running() if known == photo)
        return next(runs, "" if photo in self._sent else None)

    def arrivals(self, since: datetime) -> list[Card]:
        """What is on its way, and what has ended since then."""
        cards: dict[Identity, Card] = {}
        # Where Step Functions asks to slow down, the next look may do better, and pages keep what they have.
        with contextlib.suppress(ClientError, BotoCoreError):
            for run, photo in self._running():
                cards[photo] = Card(photo, self._stage(run))
        for record in (*self._ended(since), *self._ledger.known(list(self._sent))):
            photo = identity_of(record)
            cards[photo] = Card(photo, _stage_of(record), record)
            self._sent.pop(photo, None)
        for photo, at in reversed(list(self._sent.items())):
            if photo not in cards:
                cards[photo] = Card(photo, is_overdue=time.monotonic() - at > OVERDUE_SECONDS)
                if cards[photo].is_overdue:
                    self._sent.pop(photo, None)
        return list(cards.values())[:MOST_ARRIVALS]

    def _ended(self, since: datetime) -> Iterator[Record]:
        """The newest records, back to that time."""
        earliest = iso(since)
        ended = takewhile(lambda record: (record.recorded_at or "") >= earliest, self._ledger.newest_first())
        return islice(ended, MOST_ARRIVALS)

    def stage_of(self, bucket: str, key: str) -> int:
        """How far a photo has come by its run; as if it had just come in where none is known."""
        with contextlib.suppress(ClientError, BotoCoreError):
            for run, photo in self._running():
                if photo[:2] == (bucket, key):
                    return self._stage(run)
        return 0

    def _running(self) -> list[tuple[str, Identity]]:
        """The newest runs that have not ended, and whose photos they are about."""
        step_functions = self._deployed.client("stepfunctions")
        listed = step_functions.list_executions(
            stateMachineArn=self._deployed.output("StateMachineArn"), statusFilter="RUNNING", maxResults=RUNS_AT_ONCE
        )["executions"]
        runs = []
        for execution in listed[:HISTORIES_AT_ONCE]:
            run = execution["executionArn"]
            if run not in self._runs:
                self._runs[run] = _photo(step_functions.describe_execution(executionArn=run).get("input", ""))
            if photo := self._runs[run]:
                runs.append((run, photo))
        while len(self._runs) > MOST_RUNS_KNOWN:
            self._runs.popitem(last=False)
        return runs

    def _stage(self, run: str) -> int:
        events = self._deployed.client("stepfunctions").get_execution_history(
            executionArn=run, reverseOrder=True, maxResults=10, includeExecutionData=False
        )["events"]
        names = (event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event)
        return _STAGE_IN.get(next(names, ""), 0)


def _stage_of(record: Record) -> int:
    is_told = record.outcome is Outcome.CLASSIFIED and record.announced_at is not None
    return ANNOUNCED if is_told else RECORDED


def _photo(text: str) -> Identity | None:
    """Which version of which photo a run was started for."""
    try:
        request = json.loads(text)
        given = request.get("detail") or {}
        bucket = given.get("bucket", {}).get("name") or request.get("s3_bucket")
        key = given.get("object", {}).get("key") or request.get("s3_key")
        version = given.get("object", {}).get("version-id") or request.get("version_id")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not (isinstance(bucket, str) and isinstance(key, str) and isinstance(version, str) and key.startswith(UPLOADS)):
        return None
    return bucket, key, version
