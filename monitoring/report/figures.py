"""The report's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitoring.drift.decision import Decision
from monitoring.summary import Read
from training.evaluation.plain import BESIDE, Share


@dataclass(frozen=True)
class ReportWindow:
    """When the first and the last record were captured, and what was asked for."""

    from_: str | None
    to: str | None
    asked_from: str | None
    asked_to: str | None


@dataclass(frozen=True)
class Counts:
    """Records of some time, and what became of their answers."""

    n: int
    answers: int
    passed: int
    by_verdict: Mapping[str, int] = field(metadata=BESIDE)
    mean_confidence: float | None


@dataclass(frozen=True)
class HourCounts(Counts):
    """One hour."""

    hour: str


@dataclass(frozen=True)
class HourOfDay(Counts):
    """One hour of the day over all days: how many answers pass, and of those with a label how many are right."""

    hour: int
    coverage: Share
    labelled: int
    accuracy: Share


@dataclass(frozen=True)
class EstimatedAccuracy:
    """The share of right answers as estimated without labels."""

    accuracy: Share
    n: int
    holds: bool
    why: str


@dataclass(frozen=True)
class ReviewedAccuracy:
    """The share of right answers by a person's labels."""

    accuracy: Share
    right: int
    n: int


@dataclass(frozen=True)
class Judged:
    """How many of some answers are right, estimated and by labels, or why nobody knows."""

    estimated: EstimatedAccuracy | None
    reviewed: ReviewedAccuracy | None
    reviewed_why: str | None


@dataclass(frozen=True)
class Accuracy:
    """Of the answers that pass, and of all."""

    passed: Judged
    all: Judged
    estimated_why: str | None


@dataclass(frozen=True)
class LabelCounts:
    """Labels that were given, and those of captured pictures; of these, how many were asked about or count."""

    given: int
    asked: int
    matched: int
    by_label: Mapping[str, int]


@dataclass(frozen=True)
class Seconds:
    """How long so many images took."""

    n: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Histogram:
    """How many lie between each two edges."""

    edges: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True)
class Latency:
    """From upload to record, and of that the workflow alone."""

    upload_to_record: Seconds
    start_to_record: Seconds | None
    histogram: Histogram


@dataclass(frozen=True)
class BaselineFacts:
    """What the figures are held against; no mix where it was counted with another threshold."""

    from_: str
    made_at: str
    model_version: str
    threshold: float
    mix: Mapping[str, int] | None
    n: Mapping[str, int]


@dataclass(frozen=True)
class Measure:
    """A measurement: how its values lie now and lay before, and what the check says of it."""

    name: str
    title: str
    n: int
    quartiles: Sequence[float]
    edges: Sequence[float]
    now: Sequence[float]
    before: Sequence[float] | None
    changed: bool | None
    shift: float | None
    mean: float
    mean_before: float | None
    words: str | None


@dataclass(frozen=True)
class PictureFacts:
    """A picture that the page shows."""

    digest: str
    at: str | None
    confidences: Mapping[str, float | None] = field(metadata=BESIDE)
    confidence: float | None
    passed: bool | None
    label: str | None


@dataclass(frozen=True)
class OddPicture(PictureFacts):
    """One that lies far from what the model knows."""

    distance: float


@dataclass(frozen=True)
class PicturesShown:
    """The pictures of the page, in its order."""

    mistakes: Sequence[PictureFacts]
    least_sure: Sequence[PictureFacts]
    oddest: Sequence[OddPicture]


@dataclass(frozen=True)
class Standing:
    """How it stands: a level, its word, one sentence, and the reasons, the worst first."""

    level: str
    word: str
    sentence: str
    reasons: Sequence[str]


@dataclass(frozen=True)
class Report:
    """Figures first, then what they rest on."""

    format: int
    made_at: str
    source: str
    endpoint: str | None
    variant: str | None
    window: ReportWindow
    read: Read = field(metadata=BESIDE)
    model_versions: Mapping[str, int]
    model_versions_from: str
    endpoints: Mapping[str, int]
    threshold: float
    threshold_from: str
    answers: int
    passed: int
    coverage: Share
    review_share: Share
    mix: Mapping[str, int]
    mean_confidence: float | None
    confidence: Mapping[str, Sequence[int]]
    hours: Sequence[HourCounts]
    hours_of_day: Sequence[HourOfDay]
    latency: Latency | None
    latency_why: str
    # By reason; None where only captured data is known, which holds nothing of them.
    refused: Mapping[str, int] | None
    baseline: BaselineFacts | None
    drift: Decision | None
    drift_why: str
    sample: int
    measures: Sequence[Measure]
    labels: LabelCounts
    accuracy: Accuracy
    pictures: PicturesShown
    looked_why: str
