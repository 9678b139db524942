"""What ten times the usual crowd meets: `python -m bench.scaling`, a simulation that ends in seconds.

Photos come as in bench.arrivals; each holds one of Lambda's executions while the endpoint has it, and is tried again
as the workflow's own definition says. The endpoint answers so many a second an instance, in the order in which it is
asked. Auto scaling sees invocations an instance once a minute: three minutes above the target add instances, fifteen
below nine tenths of it take some away (the alarms that AWS makes: https://repost.aws/questions/QUf450Wsd9RROGGOIwaolN9w,
read on 29 November 2026); cool-downs and target are lifecycle.endpoint's, and an instance takes minutes to come.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console

from bench.tables import table
from lifecycle import costs
from lifecycle.endpoint import INVOCATIONS_PER_MINUTE, Hosting, scaling_requests
from lifecycle.site import Site
from serving.container import MAX_WAITING_SECONDS
from vehiclevision.settings import READ_TIMEOUT_SECONDS

# What one instance answers a second; what it was measured to, to a single client: bench.serving.
ANSWERED_A_SECOND: Final = 66.0
# From the decision until another instance answers: docs/guide/deploy.md has five minutes for an endpoint.
COMES_AFTER_SECONDS: Final = 300.0
MINUTES_ABOVE: Final = 3
MINUTES_BELOW: Final = 15
BELOW: Final = 0.9
USUAL_SECONDS: Final = 300.0
CROWD_SECONDS: Final = 600.0
TIMES: Final = 10


@dataclass(frozen=True)
class Case:
    """What comes and what there is for it."""

    words: str
    rate: float
    least_instances: int = 1
    most_instances: int = 2
    executions: int = 1_000
    # None: an endpoint that answers however late, as ours did.
    waits_seconds: float | None = MAX_WAITING_SECONDS


@dataclass
class Outcome:
    """What became of the photos."""

    sent: int = 0
    seconds: list[float] = field(default_factory=list)
    at_once: int = 0
    failed: int = 0
    instances: int = 0
    # From the crowd's beginning until the first instance more answered.
    more_after: float | None = None

    def row(self, case: Case) -> tuple[str, ...]:
        """For the table."""
        done = sorted(self.seconds)
        points = [f"{done[int(share * (len(done) - 1))]:,.1f}" if done else "" for share in (0.5, 0.95, 1.0)]
        more = "never" if self.more_after is None else f"{self.more_after / 60:.0f} min"
        lost = self.sent - len(done) - self.failed
        shares = (f"{self.at_once / self.sent:.0%}", *points, f"{self.failed:,}", str(lost))
        return (case.words, f"{self.sent:,}", str(self.instances), more, *shares)


def patience(error: str) -> Mapping[str, float]:
    """The retrier of *Classify image* for an error."""
    retriers = costs.machine()["States"]["Classify image"]["Retry"]
    return next(each for each in retriers if error in each["ErrorEquals"])


def cooldowns() -> tuple[float, float]:
    """Scale-out's and scale-in's, as the endpoint is given them."""
    policy: dict[str, Any] = {}
    for request in scaling_requests(Site("bench", "0" * 12, "us-east-1"), Hosting()):
        policy |= request.parameters.get("TargetTrackingScalingPolicyConfiguration", {})
    return float(policy["ScaleOutCooldown"]), float(policy["ScaleInCooldown"])


@dataclass
class Fleet:
    """The endpoint's instances, and auto scaling."""

    least: int
    most: int
    instances: int = 0
    # Until when what is accepted keeps them busy.
    busy_until: float = 0.0
    # When those that were asked for answer.
    coming: list[tuple[float, int]] = field(default_factory=list)
    asked_this_minute: int = 0
    minutes: deque[float] = field(default_factory=lambda: deque(maxlen=MINUTES_BELOW))
    scaled_out: float = -math.inf
    scaled_in: float = -math.inf

    def __post_init__(self) -> None:
        self.instances = self.least

    def take(self, now: float) -> float:
        """Accept a request, and say when it is answered."""
        self.busy_until = max(now, self.busy_until) + 1 / (ANSWERED_A_SECOND * self.instances)
        return self.busy_until

    def becomes(self, instances: int, now: float) -> None:
        """Share what waits among so many."""
        waiting = max(0.0, self.busy_until - now) * self.instances / instances
        self.instances, self.busy_until = instances, now + waiting

    def minute(self, now: float) -> None:
        """What auto scaling makes of the minute that ends."""
        planned = self.coming[-1][1] if self.coming else self.instances
        self.minutes.append(self.asked_this_minute / self.instances)
        self.asked_this_minute = 0
        out, back = cooldowns()
        newest = list(self.minutes)[-MINUTES_ABOVE:]
        if len(newest) == MINUTES_ABOVE and min(newest) > INVOCATIONS_PER_MINUTE and now - self.scaled_out >= out:
            needed = min(self.most, math.ceil(self.instances * newest[-1] / INVOCATIONS_PER_MINUTE))
            if needed > planned:
                self.coming.append((now + COMES_AFTER_SECONDS, needed))
                self.scaled_out = now
        quiet = len(self.minutes) == MINUTES_BELOW and max(self.minutes) < BELOW * INVOCATIONS_PER_MINUTE
        if quiet and self.instances > self.least and now - max(self.scaled_in, self.scaled_out) >= back:
            self.becomes(max(self.least, math.ceil(self.instances * newest[-1] / INVOCATIONS_PER_MINUTE)), now)
            self.scaled_in = now


def simulated(case: Case, seed: int = 11) -> Outcome:
    """One crowd after a usual time, until nobody waits any more."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    fleet, outcome, executing = Fleet(case.least_instances, case.most_instances), Outcome(), list[float]()
    refused, throttled = patience("EndpointUnavailableError"), patience("Lambda.TooManyRequestsException")
    # When a photo is tried, its number, when it came, and how often it was refused for either reason.
    todo: list[tuple[float, int, float, int, int]] = []
    for number, at in enumerate(arrivals(case.rate, draw)):
        todo.append((at, number, at, 0, 0))
    outcome.sent, outcome.instances, minute = len(todo), fleet.instances, 60.0
    heapq.heapify(todo)

    def again(number: int, came: float, now: float, tries: tuple[int, int], retrier: Mapping[str, float]) -> None:
        made = tries[retrier is throttled]
        if made >= retrier["MaxAttempts"]:
            outcome.failed += 1
            return
        longest = min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** made, retrier["MaxDelaySeconds"])
        after = (tries[0] + 1, tries[1]) if retrier is refused else (tries[0], tries[1] + 1)
        heapq.heappush(todo, (now + draw.uniform(0, longest), number, came, *after))

    while todo:
        now, number, came, unavailable, throttles = heapq.heappop(todo)
        while minute <= now:
            fleet.minute(minute)
            minute += 60
        while fleet.coming and fleet.coming[0][0] <= now:
            at, instances = fleet.coming.pop(0)
            fleet.becomes(instances, at)
            outcome.instances = max(outcome.instances, instances)
            outcome.more_after = outcome.more_after if outcome.more_after is not None else at - USUAL_SECONDS
        while executing and executing[0] <= now:
            heapq.heappop(executing)
        tries = (unavailable, throttles)
        if len(executing) >= case.executions:
            again(number, came, now, tries, throttled)
            continue
        fleet.asked_this_minute += 1
        waits = fleet.busy_until - now
        if case.waits_seconds is not None and waits > case.waits_seconds:
            # Its turn comes too late, and nothing is done for it.
            ends, is_answered = now + case.waits_seconds, False
        else:
            answered = fleet.take(now)
            ends, is_answered = min(answered, now + READ_TIMEOUT_SECONDS), answered - now <= READ_TIMEOUT_SECONDS
        heapq.heappush(executing, ends)
        if is_answered:
            outcome.seconds.append(ends - came)
            outcome.at_once += not any(tries)
        else:
            again(number, came, ends, tries, refused)
    return outcome


def arrivals(rate: float, draw: random.Random) -> Iterator[float]:
    """At random moments: the usual rate, a crowd, the usual rate again for as long as the crowd."""
    now, ends = 0.0, USUAL_SECONDS + 2 * CROWD_SECONDS
    while now < ends:
        crowded = USUAL_SECONDS <= now < USUAL_SECONDS + CROWD_SECONDS
        now += draw.expovariate(rate * (TIMES if crowded else 1))
        yield now


CASES: Final = (
    Case("5 a second, then 50", 5),
    Case("10, then 100", 10),
    Case("20, then 200", 20),
    Case("20, then 200, 1 to 5 instances, 10,000 executions", 20, most_instances=5, executions=10_000),
    Case("the same, answered however late", 20, most_instances=5, executions=10_000, waits_seconds=None),
    Case("20, then 200, 3 to 5 instances", 20, least_instances=3, most_instances=5),
)


def main() -> None:
    """Simulate and print."""
    columns = ("photos", "sent", "instances", "more after", "at once", "p50 s", "p95 s", "slowest s", "FAILED", "lost")
    title = f"{CROWD_SECONDS / 60:.0f} minutes of {TIMES} times as many photos"
    rows = [simulated(case).row(case) for case in CASES]
    Console().print(table(title, columns, rows, words=("photos",)))


if __name__ == "__main__":
    main()
