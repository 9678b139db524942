"""How it stands: one sentence and why, the first thing on the page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

GOOD, WATCH, ACT = "good", "watch", "act"
WORDS: Final = {GOOD: "All well", WATCH: "Worth a look", ACT: "Act on this"}
# A file that is being written ends in an unfinished line; more than a trace that cannot be read is worth a look.
UNREADABLE_SHARE: Final = 0.01
WHAT_TO_DO: Final = (
    "Look at the pictures below, and review some: vehiclevision review. Labels say whether answers are still right."
)
NOT_COMPARED: Final = "There is no baseline that fits, so nothing says what these pictures and answers should be like."
_NAMED: Final = 3


def standing(report: Mapping[str, Any]) -> dict[str, Any]:
    """Level, its word, one sentence, and the reasons, the worst first."""
    reasons = [*_of_drift(report), *_of_accuracy(report), *_of_reading(report)]
    level = max((level_of for level_of, _ in reasons), key=(GOOD, WATCH, ACT).index, default=GOOD)
    ordered = [text for each_level in (ACT, WATCH, GOOD) for level_of, text in reasons if level_of == each_level]
    return {"level": level, "word": WORDS[level], "sentence": _sentence(report), "reasons": ordered}


def _sentence(report: Mapping[str, Any]) -> str:
    answers, drift = report["answers"], report["drift"]
    if not answers:
        return "There are no answers to judge" if report["records"] else "Nothing was captured here"
    passing = f"{report['coverage']:.0%} of {answers:,} answers pass" if answers > 1 else "There is one answer"
    if drift and drift["drifted"]:
        changed = [_plain(finding["words"]) for finding in by_shift(drift["findings"]) if finding["changed"]]
        more = f", and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        return f"What comes in has changed: {', '.join(changed[:_NAMED])}{more}"
    if not drift:
        return f"{passing}; whether anything has changed is not known"
    if not drift["enough"]:
        return f"{passing}; too few to tell whether anything has changed"
    return f"{passing}, and nothing seems to have changed"


def by_shift(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What moved furthest first."""
    return sorted(findings, key=lambda finding: -abs(finding["shift"]))


def _plain(words: str) -> str:
    """The words of a finding without its figures."""
    plain = words.partition(":")[0]
    return plain[:1].lower() + plain[1:]


def _of_drift(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    drift = report["drift"]
    if drift is None:
        return [(WATCH, NOT_COMPARED)] if report["answers"] else []
    if drift["drifted"]:
        return [(ACT, WHAT_TO_DO)]
    return [(GOOD if drift["enough"] else WATCH, arrows(drift["words"]))]


def _of_accuracy(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    estimated, true = (report["accuracy"]["passed"][kind] for kind in ("estimated", "reviewed"))
    reasons = []
    if true:
        said = f"By {true['n']:,} reviewed labels, {true['accuracy']:.1%} of the answers that pass are right"
        if estimated and estimated["holds"] and true["accuracy_high"] < estimated["accuracy_low"]:
            reasons.append((ACT, f"{said}, fewer than the estimate of {estimated['accuracy']:.1%}."))
        else:
            reasons.append((GOOD, f"{said}."))
    if estimated and not estimated["holds"]:
        reasons.append((WATCH, f"The estimated accuracy cannot be relied on: {estimated['why'].rstrip('.')}."))
    return reasons


def _of_reading(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    read, unreadable = report["records_read"], report["records_unreadable"]
    reasons = []
    if not report["records"]:
        reasons.append((WATCH, "No captured record lies in this window: check the endpoint's data capture."))
    elif not report["answers"]:
        reasons.append((WATCH, "No record holds a probability for each label: this is not such an endpoint."))
    elif 2 * report["without_answer"] > report["records"]:
        reasons.append((WATCH, f"{report['without_answer']:,} of {report['records']:,} records hold no such answer."))
    if unreadable > UNREADABLE_SHARE * (read + unreadable):
        reasons.append((WATCH, f"{unreadable:,} of {read + unreadable:,} lines could not be read."))
    if report["files_refused"]:
        reasons.append((WATCH, f"{report['files_refused']:,} files may not be read."))
    if len(report["model_versions"]) > 1:
        reasons.append((GOOD, f"{len(report['model_versions'])} model versions answered; their figures are together."))
    return reasons


def arrows(words: str) -> str:
    """Plain words with a real arrow."""
    return words.replace("->", "→")
