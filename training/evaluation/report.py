"""All that an evaluation found, as plain JSON; the page shows the same and nothing else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from training.data.pictures import Classes, evenly
from training.evaluation import scores
from training.evaluation.costs import Costs, cheapest_threshold, cost_at, cross_fitted
from training.evaluation.degrade import DEGRADATIONS
from training.evaluation.kinds import kinds
from training.evaluation.samples import Samples
from training.evaluation.scores import Judged, Numbers, judge
from training.session import Maps
from vehiclevision.labels import LABELS, TRUTHS

FORMAT: Final = 1
CLEAN: Final = "clean"
# So many pictures of each kind of trouble are named: enough to look at, whatever the folder holds.
MAX_NAMED: Final = 24
MAX_RIGHT: Final = 4 * len(LABELS)


@dataclass(frozen=True)
class Answered:
    """Pictures and what the model said: plain, and in each worse state for the samples that have one.

    `maps` say where in a picture the model saw what [labels, rows, columns], by the picture's index; `no_maps` says why
    there are none.
    """

    samples: Samples
    answers: Numbers
    worse: Mapping[str, Numbers]
    maps: Mapping[int, Maps] = field(default_factory=dict)
    no_maps: str = ""

    def judged(self) -> Judged:
        """The answers beside the truth."""
        return judge(self.answers, self.samples.classes)


def report(answered: Answered, threshold: float, costs: Costs | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Figures first, then what they rest on; `facts` say which model answered, where, and how fast."""
    samples, judged = answered.samples, answered.judged()
    return {
        "format": FORMAT,
        **scores.figures(answered.answers, samples.classes, threshold),
        **facts,
        "data_hash": samples.data_hash,
        "data": {
            "source": samples.source,
            "pictures": len(samples),
            "classes": list(samples.class_names),
            "refused": len(samples.refused),
            "refused_reasons": dict(sorted(Counter(item.reason for item in samples.refused).items())),
            "refused_files": [{"file": item.file, "reason": item.reason} for item in samples.refused],
        },
        "kinds": kinds(judged, samples.looks, samples.sources, threshold),
        "robustness": _robustness(answered, threshold),
        "costs": _costs(answered, threshold, costs),
        "against": None,
        "reliability": scores.reliability(answered.answers, samples.classes),
        "curve": scores.curve(answered.answers, samples.classes),
        "pictures": {
            "wrong": _named(answered, wrong(judged, threshold)),
            "least_sure": _named(answered, least_sure(judged, threshold)),
            "right": _named(answered, right(judged, threshold)),
        },
        "where_it_looked": {"shown": bool(answered.maps), "why_not": answered.no_maps or None},
    }


def looked_at(judged: Judged, threshold: float) -> list[int]:
    """Pictures of which the page shows where the model looked."""
    return sorted({*wrong(judged, threshold), *right(judged, threshold)})


def wrong(judged: Judged, threshold: float) -> list[int]:
    """Pictures that pass with a label that is not theirs, the surest first."""
    found = np.flatnonzero(judged.passed(threshold) & ~judged.right)
    return _first(found, -judged.confidence[found])


def least_sure(judged: Judged, threshold: float) -> list[int]:
    """Vehicles that go to a person, the least sure of their own label first."""
    found = np.flatnonzero(judged.vehicle & ~judged.passed(threshold))
    return _first(found, judged.confidence[found])


def right(judged: Judged, threshold: float) -> list[int]:
    """Some vehicles that pass with their own label: as many of each, evenly from the surest to the least sure."""
    chosen: list[int] = []
    for number in range(len(LABELS)):
        own = np.flatnonzero(judged.passed(threshold) & judged.right & (judged.truth == number))
        own = own[np.argsort(-judged.confidence[own], kind="stable")]
        chosen += evenly(own, MAX_RIGHT // len(LABELS)).tolist()
    return chosen


def _first(found: Classes, rank: Numbers) -> list[int]:
    order: list[int] = found[np.argsort(rank, kind="stable")][:MAX_NAMED].tolist()
    return order


def _named(answered: Answered, chosen: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "file": answered.samples.names[index],
            "shows": TRUTHS[int(answered.samples.classes[index])],
            **{label: round(float(answered.answers[index][number]), 4) for number, label in enumerate(LABELS)},
        }
        for index in chosen
    ]


def _robustness(answered: Answered, threshold: float) -> list[dict[str, Any]]:
    """The same pictures plain and in each worse state."""
    if not answered.worse:
        return []
    chosen = answered.samples.worse
    classes = answered.samples.classes[chosen]
    rows = [(CLEAN, "as they are", answered.answers[chosen])]
    rows += [(name, DEGRADATIONS[name].strength, answers) for name, answers in answered.worse.items()]
    return [
        {"condition": name, "strength": strength, **scores.shares(judge(answers, classes), threshold)}
        for name, strength, answers in rows
    ]


def _costs(answered: Answered, threshold: float, costs: Costs | None) -> dict[str, Any] | None:
    """The cheapest threshold, where costs are known and there is a vehicle to send anywhere.

    What it costs is counted on the pictures that chose it, which flatters it; so beside it stands what a threshold that
    half of them chose costs on the other half.
    """
    samples, judged = answered.samples, answered.judged()
    if costs is None or not judged.vehicle.any():
        return None
    crossed = cross_fitted(answered.answers, samples.classes, costs, samples.sources)
    return {
        **cheapest_threshold(answered.answers, samples.classes, costs).as_json(),
        "chosen_on_the_same_pictures": True,
        "cross_fitted": None if crossed is None else crossed.as_json(),
        "in_use": {"threshold": threshold, **asdict(cost_at(judged, threshold, costs))},
    }
