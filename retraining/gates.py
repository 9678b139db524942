"""Whether to retrain now: plain figures in, a reason not to out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lifecycle.jobs import MAX_HOURS
from retraining.settings import StackParameters
from vehiclevision.labels import LABELS

# What holds a run back, for the next program; the sentence is for a person.
NOT_SET_UP: Final = "NOT_SET_UP"
ALREADY_RUNNING: Final = "ALREADY_RUNNING"
COOLING_DOWN: Final = "COOLING_DOWN"
LABELS_MISSING: Final = "LABELS_MISSING"
HELD_OUT_MISSING: Final = "HELD_OUT_MISSING"
LABEL_MISSING: Final = "LABEL_MISSING"
BUDGET_SPENT: Final = "BUDGET_SPENT"
NO_CHAMPION: Final = "NO_CHAMPION"


@dataclass(frozen=True)
class Past:
    """An earlier run's training job."""

    name: str
    staged_at: datetime
    completed: bool
    billable_seconds: float


@dataclass(frozen=True)
class Counts:
    """Reviewed pictures: those that are new since the last completed run, learnt from, and held out."""

    new: int
    learnt: Counter[str]
    held_out: Counter[str]

    def as_json(self) -> dict[str, int]:
        """For the event."""
        return {"new": self.new, "learnt": self.learnt.total(), "held_out": self.held_out.total()}


@dataclass(frozen=True)
class HeldBack:
    """Why not now."""

    code: str
    words: str


def since(past: Sequence[Past]) -> datetime | None:
    """From when on a label is new: when the last completed run was staged."""
    return max((run.staged_at for run in past if run.completed), default=None)


def held_back(
    settings: StackParameters, past: Sequence[Past], counts: Counts, others_running: Sequence[str], now: datetime
) -> HeldBack | None:
    """The first reason not to retrain now; None if there is none."""
    if missing := unset(settings):
        return HeldBack(
            NOT_SET_UP, f"Retraining has no {missing}. Run: vehiclevision data load, then: vehiclevision monitor deploy"
        )
    if others_running:
        return HeldBack(ALREADY_RUNNING, f"Another run is on its way: {others_running[0]}.")
    return _too_soon(settings, past, now) or _too_little(settings, past, counts) or _too_dear(settings, past, now)


def unset(settings: StackParameters) -> str:
    """What a run cannot do without and nobody has given; empty if all is there."""
    needed = {
        "training data": settings.training_data and settings.training_data_hash,
        "training code": settings.training_source,
        "training image": settings.training_image,
    }
    return " and no ".join(name for name, value in needed.items() if not value)


def _too_soon(settings: StackParameters, past: Sequence[Past], now: datetime) -> HeldBack | None:
    last = max((run.staged_at for run in past), default=None)
    if last is None:
        return None
    free = last + timedelta(hours=settings.cool_down_hours)
    if now >= free:
        return None
    return HeldBack(
        COOLING_DOWN,
        f"The last run began at {_minute(last)}; the next may begin at {_minute(free)}, "
        f"{settings.cool_down_hours:g} hours after it.",
    )


def _too_little(settings: StackParameters, past: Sequence[Past], counts: Counts) -> HeldBack | None:
    if counts.new < settings.least_new_labels:
        last = since(past)
        after = f" since the last run at {_minute(last)}" if last else ""
        return HeldBack(
            LABELS_MISSING,
            f"{settings.least_new_labels - counts.new} more labels are needed: "
            f"{counts.new} of {settings.least_new_labels} were given{after}. Label some: vehiclevision review",
        )
    if counts.held_out.total() < settings.least_held_out:
        return HeldBack(
            HELD_OUT_MISSING,
            f"{counts.held_out.total()} reviewed pictures are held out, and {settings.least_held_out} are needed to "
            "tell two models apart. One in five labels is; label more: vehiclevision review",
        )
    for label in LABELS:
        if not counts.learnt[label] or not counts.held_out[label]:
            return HeldBack(
                LABEL_MISSING,
                f"No {label} is among the pictures that are {'held out' if counts.learnt[label] else 'learnt from'}. "
                "Label more: vehiclevision review",
            )
    return None


def _too_dear(settings: StackParameters, past: Sequence[Past], now: datetime) -> HeldBack | None:
    month = [run for run in past if (run.staged_at.year, run.staged_at.month) == (now.year, now.month)]
    if len(month) >= settings.runs_a_month:
        return HeldBack(BUDGET_SPENT, f"This month's {settings.runs_a_month} runs are used up.")
    spent = sum(run.billable_seconds for run in month) / 3600 * settings.dollars_an_hour
    most = MAX_HOURS * settings.dollars_an_hour
    if spent + most > settings.dollars_a_month:
        return HeldBack(
            BUDGET_SPENT,
            f"This month's runs have cost ${spent:.2f}, another may cost ${most:.2f}, "
            f"and the budget is ${settings.dollars_a_month:.2f}.",
        )
    return None


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
