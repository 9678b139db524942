"""Did pictures or answers change? One decision for all that is measured, with a stated rate of false alarms.

    check(baseline, sample) -> Decision

Every column is compared by itself (monitoring.drift.compare), and Holm's adjustment holds the chance of any false alarm
in a check to `alarm_rate`. At the default of 1 % a check a day raises three or four false alarms a year.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from monitoring.drift import power
from monitoring.drift.baseline import CONFIDENCE, MIX, Baseline, mix_of, usable
from monitoring.drift.compare import MIN_VALUES, Difference, compare_counts, compare_numbers, holm, most_changed
from monitoring.drift.embedding import NAME as EMBEDDING
from monitoring.errors import MonitoringError
from monitoring.measure import Numbers, is_earlier
from monitoring.summary import Sample
from vehiclevision.labels import NEITHER, REVIEW

ALARM_RATE: Final = 0.01
MIX_NAME: Final = "mix"
SIZE: Final = "pixels"
# What is compared, in the order of reports; columns of a baseline with other names are left alone.
KINDS: Final[Mapping[str, str]] = {
    "brightness": "picture",
    "contrast": "picture",
    "sharpness": "picture",
    "saturation": "picture",
    "warmth": "picture",
    SIZE: "picture",
    EMBEDDING: "picture",
    CONFIDENCE: "answer",
    MIX_NAME: "answer",
}
# What a column is called, and what it means when it rises or falls.
_SAID: Final[Mapping[str, tuple[str, str, str]]] = {
    "brightness": ("brightness", "Pictures are brighter", "Pictures are darker"),
    "contrast": ("contrast", "Pictures have more contrast", "Pictures have less contrast"),
    "sharpness": ("sharpness", "Pictures are sharper", "Pictures are less sharp"),
    "saturation": ("saturation", "Colours are stronger", "Colours are paler"),
    "warmth": ("warmth", "Colours are warmer, more yellow", "Colours are colder, more blue"),
    SIZE: ("size", "Pictures are larger", "Pictures are smaller"),
    EMBEDDING: (
        "distance from what the model knows",
        "Pictures are less like those that the model learnt from",
        "Pictures are more like those that the model learnt from",
    ),
    CONFIDENCE: ("confidence", "Answers are surer", "Answers are less sure"),
}
_VERDICTS: Final[Mapping[str, str]] = {
    REVIEW: "answers that are not sure enough, for a person",
    NEITHER: "answers that name no vehicle, for a person",
}
_UNCHANGED: Final = "No change to be seen:"
_NOTHING: Final = np.empty(0)
# A shift below this is not what changed: the numbers lie differently around the same middle.
_PLAIN_SHIFT: Final = 0.15


@dataclass(frozen=True)
class Finding:
    """One column before and now; `adjusted` at or below the alarm rate means that it changed."""

    name: str
    kind: str
    n: int
    baseline_n: int
    p_value: float
    adjusted: float
    before: float
    now: float
    shift: float
    changed: bool
    words: str


@dataclass(frozen=True)
class Decision:
    """What a check found; with `enough` false, finding nothing means nothing, and `more_needed` says how many more.

    `not_compared` lists what one side lacks, `too_few_before` what has too few values in the baseline to rule out a
    change of it, however many pictures come. `earlier_pictures` are such as earlier releases sent, whose size is not
    compared with a baseline that has none of them.
    """

    drifted: bool
    n: int
    alarm_rate: float
    findings: tuple[Finding, ...]
    enough: bool
    more_needed: int
    not_compared: tuple[str, ...]
    too_few_before: tuple[str, ...]
    words: str
    earlier_pictures: int = 0

    @property
    def changed(self) -> tuple[Finding, ...]:
        """The findings that made the decision, the largest shift first."""
        return tuple(sorted((each for each in self.findings if each.changed), key=lambda each: -abs(each.shift)))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def check(baseline: Baseline, sample: Sample, *, alarm_rate: float = ALARM_RATE) -> Decision:
    """Compare a sample of captured records with the baseline; a picture that came several times counts once."""
    if not 0 < alarm_rate < 1:
        raise MonitoringError(f"The alarm rate is {alarm_rate}.", "Give a number between 0 and 1, such as 0.01.")
    kept, earlier = _without_earlier_sizes(baseline, distinct(sample))
    n = len(next(iter(kept.values()), ()))
    level = _level(baseline, alarm_rate)
    compared = {name: change for name in KINDS if (change := _difference(name, baseline, kept)) is not None}
    adjusted = holm(np.array([change.p_value for change in compared.values()], dtype=np.float64)).tolist()
    findings = tuple(
        _finding(name, baseline, kept, change, adjusted=value, alarm_rate=alarm_rate)
        for (name, change), value in zip(compared.items(), adjusted, strict=True)
    )
    takes = {name: _takes(name, baseline, level) for name in compared}
    waiting = [number - each.n for each in findings if (number := takes[each.name]) is not None]
    drifted = any(each.changed for each in findings)
    missing = 0 if drifted else max(0, *waiting) if waiting else needed(baseline, alarm_rate) if not compared else 0
    enough = drifted or (missing == 0 and bool(waiting))
    blind = tuple(name for name, number in takes.items() if number is None)
    expected = [name for name in KINDS if name != EMBEDDING or EMBEDDING in (*baseline.columns, *kept)]
    return Decision(
        drifted=drifted,
        n=n,
        alarm_rate=alarm_rate,
        findings=findings,
        enough=enough,
        more_needed=missing,
        not_compared=tuple(name for name in expected if name not in compared),
        too_few_before=blind,
        words=_words(findings, n, missing, blind, enough=enough, least=power.least_baseline(level)),
        earlier_pictures=earlier,
    )


def needed(baseline: Baseline, alarm_rate: float = ALARM_RATE) -> int:
    """Pictures until 'nothing changed' means something against this baseline; 0 where it is too small for that."""
    level = _level(baseline, alarm_rate)
    takes = [_takes(name, baseline, level) for name in (*baseline.columns, MIX_NAME) if name in KINDS]
    return max((number for number in takes if number is not None), default=0)


def distinct(sample: Sample) -> dict[str, Numbers]:
    """The columns with each picture once: the first row of each digest; rows without a picture all stay."""
    digests = np.array(sample.digest, dtype=np.str_)
    keep = digests == ""
    keep[np.unique(digests, return_index=True)[1]] = True
    return {name: values[keep] for name, values in sample.columns.items()}


def _without_earlier_sizes(baseline: Baseline, kept: Mapping[str, Numbers]) -> tuple[dict[str, Numbers], int]:
    """The columns without the sizes of what earlier releases sent, and how many; all where the baseline has such too.

    The release made those pictures larger, not the photographers.
    """
    sizes = kept.get(SIZE, _NOTHING)
    earlier = is_earlier(sizes)
    if not earlier.any() or is_earlier(baseline.columns.get(SIZE, _NOTHING)).any():
        return dict(kept), 0
    return {**kept, SIZE: np.where(earlier, np.nan, sizes)}, int(earlier.sum())


def _difference(name: str, baseline: Baseline, kept: Mapping[str, Numbers]) -> Difference | None:
    """How far a column lies from before; None where either side has too few values to say."""
    if name == MIX_NAME:
        mix = mix_of(kept, baseline.threshold)
        enough = min(sum(baseline.mix.values()), sum(mix.values())) >= MIN_VALUES
        return compare_counts(baseline.mix, mix) if enough else None
    before, now = baseline.columns.get(name, _NOTHING), usable(kept.get(name, _NOTHING))
    return compare_numbers(before, now) if min(len(before), len(now)) >= MIN_VALUES else None


def _finding(
    name: str,
    baseline: Baseline,
    kept: Mapping[str, Numbers],
    change: Difference,
    *,
    adjusted: float,
    alarm_rate: float,
) -> Finding:
    changed = adjusted <= alarm_rate
    if name == MIX_NAME:
        mix = mix_of(kept, baseline.threshold)
        most = most_changed(baseline.mix, mix)
        baseline_n, n = sum(baseline.mix.values()), sum(mix.values())
        before, now = baseline.mix[most] / baseline_n, mix[most] / n
        lead = _UNCHANGED if not changed else "More" if now > before else "Fewer"
        called = _VERDICTS.get(most, f"answers that say {most}")
        words = f"{lead} {called}, {100 * before:.0f} % -> {100 * now:.0f} %"
    else:
        old, new = baseline.columns[name], usable(kept[name])
        baseline_n, n = len(old), len(new)
        before, now = float(old.mean()), float(new.mean())
        words = _said(name, old, new, change.shift, changed=changed)
    return Finding(
        name=name,
        kind=KINDS[name],
        n=n,
        baseline_n=baseline_n,
        p_value=change.p_value,
        adjusted=adjusted,
        before=before,
        now=now,
        shift=change.shift,
        changed=changed,
        words=words,
    )


def _takes(name: str, baseline: Baseline, level: float) -> int | None:
    """How many pictures it takes to rule out a change of a column; None where the baseline has too few for that."""
    if name == MIX_NAME:
        verdicts = sum(baseline.mix[verdict] > 0 for verdict in MIX)
        return power.needed_for_shares(sum(baseline.mix.values()), verdicts, level)
    return power.needed_for_numbers(len(baseline.columns[name]), level)


def _level(baseline: Baseline, alarm_rate: float) -> float:
    """The alarm rate's part for one of all that the baseline could compare: it is fixed before anything is seen."""
    return alarm_rate / max(1, sum(name in KINDS for name in (*baseline.columns, MIX_NAME)))


def _said(name: str, before: Numbers, now: Numbers, shift: float, *, changed: bool) -> str:
    called, up, down = _SAID[name]
    if not changed:
        up = down = _UNCHANGED.rstrip(":")
    elif abs(shift) < _PLAIN_SHIFT:
        edges = [float(edge) for values in (before, now) for edge in np.quantile(values, [0.1, 0.9])]
        lies = "{:.2f} to {:.2f} -> {:.2f} to {:.2f}".format(*edges)
        return f"{called.capitalize()} lies differently around the same middle: eight in ten from {lies}"
    if name == SIZE:
        return f"{up if shift > 0 else down}: {_pixels(before)} -> {_pixels(now)} pixels in the middle of them"
    digits = 3 if max(abs(before.mean()), abs(now.mean())) < 0.1 else 2
    moved = f"{before.mean():.{digits}f} -> {now.mean():.{digits}f}"
    return f"{up if shift > 0 else down}: {called} {moved}, {_spreads(shift)}"


def _pixels(values: Numbers) -> str:
    # No picture has more than a trillion; a baseline's file may say anything.
    return f"{10 ** min(12.0, max(0.0, float(np.median(values)))):,.0f}"


def _spreads(shift: float) -> str:
    size = f"{abs(shift):.1f}"
    return f"{size} spread" if size == "1.0" else f"{size} spreads"


def _words(
    findings: Iterable[Finding], n: int, missing: int, blind: tuple[str, ...], *, enough: bool, least: int
) -> str:
    compared = list(findings)
    changed = sorted((one for one in compared if one.changed), key=lambda one: -abs(one.shift))
    if changed:
        return ". ".join(one.words for one in changed) + "."
    if missing and not n:
        return f"Cannot tell: there is no picture yet; it takes {missing:,}."
    if not compared:
        return f"Cannot tell: nothing in {n:,} records can be compared with the baseline."
    if missing:
        return f"Cannot tell yet: {missing:,} more {'picture is' if missing == 1 else 'pictures are'} needed."
    if not enough:
        return f"Cannot tell: the baseline is too small to rule out a change. Make one of at least {least:,} pictures."
    return f"Nothing changed in {n:,} pictures, as far as {len(compared)} measurements tell.{_caveat(blind)}"


def _caveat(blind: tuple[str, ...]) -> str:
    """What cannot be ruled out, since the baseline has too few values of it."""
    if not blind:
        return ""
    return f" The baseline has too few answers to rule out a smaller change of {' and '.join(blind)}."
