"""How it stands: one sentence and why, the first thing on the page."""

from typing import Final

from monitoring.report.figures import Report, Standing

GOOD, WATCH, ACT = "good", "watch", "act"
WORDS: Final = {GOOD: "All well", WATCH: "Worth a look", ACT: "Act on this"}
# A file that is being written ends in an unfinished line; more than a trace that cannot be read is worth a look.
UNREADABLE_SHARE: Final = 0.01
WHAT_TO_DO: Final = (
    "Look at the report's pictures, and review some: vehiclevision review. Labels say whether answers are still right."
)
NOT_COMPARED: Final = "There is no baseline that fits, so nothing says what these pictures and answers should be like."
_NAMED: Final = 2


def standing(report: Report) -> Standing:
    """The worst of all reasons decides."""
    reasons = [*_of_drift(report), *_of_accuracy(report), *_of_reading(report)]
    levels = [level for level in (ACT, WATCH, GOOD) if any(level == each for each, _ in reasons)] or [GOOD]
    ordered = [text for level in levels for each, text in reasons if each == level]
    return Standing(levels[0], WORDS[levels[0]], _sentence(report), ordered)


def _sentence(report: Report) -> str:
    answers, drift = report.answers, report.drift
    if not answers:
        return "There are no answers to judge" if report.read.records else "Nothing was captured here"
    passing = f"{report.coverage.share:.0%} of {answers:,} answers pass" if answers > 1 else "There is one answer"
    if drift and drift.drifted:
        changed = [_plain(finding.words) for finding in drift.changed]
        more = f", and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        return f"What comes in has changed: {', '.join(changed[:_NAMED])}{more}"
    if not drift:
        return f"{passing}; whether anything has changed is not known"
    if not drift.enough:
        return f"{passing}; too few to tell whether anything has changed"
    return f"{passing}, and nothing seems to have changed"


def _plain(words: str) -> str:
    """The words of a finding without its figures."""
    plain = words.partition(":")[0]
    return plain[:1].lower() + plain[1:]


def _of_drift(report: Report) -> list[tuple[str, str]]:
    drift = report.drift
    if drift is None:
        return [(WATCH, NOT_COMPARED)] if report.answers else []
    if drift.drifted:
        return [(ACT, WHAT_TO_DO)]
    return [(GOOD if drift.enough else WATCH, arrows(drift.words))]


def _of_accuracy(report: Report) -> list[tuple[str, str]]:
    estimated, true = report.accuracy.passed.estimated, report.accuracy.passed.reviewed
    reasons = []
    if true:
        said = f"By {true.n:,} reviewed labels, {true.accuracy.share:.1%} of the answers that pass are right"
        if estimated and estimated.holds and (true.accuracy.high or 0) < (estimated.accuracy.low or 0):
            reasons.append((ACT, f"{said}, fewer than the estimate of {estimated.accuracy.share:.1%}."))
        else:
            reasons.append((GOOD, f"{said}."))
    if estimated and not estimated.holds:
        reasons.append((WATCH, f"The estimated accuracy cannot be relied on: {estimated.why.rstrip('.')}."))
    return reasons


def _of_reading(report: Report) -> list[tuple[str, str]]:
    read = report.read
    lines = read.records_read + read.records_unreadable
    reasons = []
    if not read.records:
        reasons.append((WATCH, "No captured record lies in this window: check the endpoint's data capture."))
    elif not report.answers:
        reasons.append((WATCH, "No record holds a probability for each label: this is not such an endpoint."))
    elif 2 * read.without_answer > read.records:
        reasons.append((WATCH, f"{read.without_answer:,} of {read.records:,} records hold no such answer."))
    if read.records_unreadable > UNREADABLE_SHARE * lines:
        reasons.append((WATCH, f"{read.records_unreadable:,} of {lines:,} lines could not be read."))
    if read.files_refused:
        reasons.append((WATCH, f"{read.files_refused:,} files may not be read."))
    if len(report.model_versions) > 1:
        reasons.append((GOOD, f"{len(report.model_versions)} model versions answered; their figures are together."))
    return reasons


def arrows(words: str) -> str:
    """Plain words with a real arrow."""
    return words.replace("->", "→")
