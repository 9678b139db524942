"""What came of champion against challenger: written by the training job, read by whoever registers the challenger."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, TypeVar

FORMAT: Final = 1
SIGNIFICANCE: Final = 0.05
# What may come of it; the words say the same to a person.
ACCEPTED: Final = "BETTER"
TOO_FEW: Final = "TOO_FEW_PICTURES"
NOT_BETTER: Final = "NOT_BETTER"
WORSE_ON_BASE: Final = "WORSE_ON_BASE"

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Rule:
    """What is compared, and what is enough."""

    threshold: float
    wrong_cost: float = 10.0
    review_cost: float = 1.0
    sure_share: float = 1.0
    least: int = 30


@dataclass(frozen=True)
class Paired:
    """Two models on one set of pictures; costs are per picture, a negative difference is in the challenger's favour."""

    n: int
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    p_better: float
    p_worse: float
    handled_better: int
    handled_worse: int
    p_mcnemar: float


@dataclass(frozen=True)
class Contestant:
    """One of the two models, by its manifest; the hash is that of the artefact's file."""

    version: str
    sha256: str
    threshold: float
    cheapest_threshold: float
    data_hash: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    artefact_sha256: str = ""


@dataclass(frozen=True)
class Comparison:
    """Whether the challenger is accepted, why, and all figures: on reviewed pictures, and on the base data."""

    reason: str
    words: str
    rule: Rule
    champion: Contestant
    challenger: Contestant
    reviewed: Paired
    base: Paired
    # Of each set and each model, as an evaluation has them.
    figures: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @property
    def accepted(self) -> bool:
        """Whether the challenger may take the champion's place."""
        return self.reason == ACCEPTED

    def as_json(self) -> dict[str, Any]:
        """As the job's output holds it."""
        return {
            "format": FORMAT,
            "accepted": self.accepted,
            "reason": self.reason,
            "words": self.words,
            **asdict(self.rule),
            "significance": SIGNIFICANCE,
            "champion": asdict(self.champion),
            "challenger": asdict(self.challenger),
            "reviewed": asdict(self.reviewed),
            "base": asdict(self.base),
            "figures": self.figures,
        }

    def metrics(self) -> dict[str, float]:
        """The figures that a training job shows as its metrics."""
        return {
            "accepted": float(self.accepted),
            "reviewed_pictures": float(self.reviewed.n),
            "reviewed_cost_champion": self.reviewed.champion,
            "reviewed_cost_challenger": self.reviewed.challenger,
            "reviewed_p_better": self.reviewed.p_better,
            "base_cost_champion": self.base.champion,
            "base_cost_challenger": self.base.challenger,
            "base_p_worse": self.base.p_worse,
        }


class OtherFormatError(ValueError):
    """A comparison that another release wrote."""


def read(content: bytes) -> Comparison:
    """The comparison that a job wrote; OtherFormatError for another release's, ValueError for what is none."""
    try:
        given = json.loads(content)
        if given["format"] != FORMAT:
            raise OtherFormatError(f"Format {given['format']!r} instead of {FORMAT}.")
        return Comparison(
            reason=str(given["reason"]),
            words=str(given["words"]),
            rule=_part(Rule, given),
            champion=_part(Contestant, given["champion"]),
            challenger=_part(Contestant, given["challenger"]),
            reviewed=_part(Paired, given["reviewed"]),
            base=_part(Paired, given["base"]),
            figures=dict(given["figures"]),
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"No comparison: {error}.") from error


def _part(kind: type[_Part], given: Mapping[str, Any]) -> _Part:
    """A dataclass from the fields that it knows; each field of a number or a text is one."""
    values = {each.name: given[each.name] for each in fields(kind) if each.name in given}  # type: ignore[arg-type]
    for each in fields(kind):  # type: ignore[arg-type]
        value = values.get(each.name, 0.0 if each.type is float else "")
        if each.type in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TypeError(f"{each.name} is no number")
        if each.type is str and not isinstance(value, str):
            raise TypeError(f"{each.name} is no text")
    return kind(**values)
