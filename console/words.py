"""What became of a photo, why, and what to do about it, in words."""

from typing import Final

from vehiclevision.errors import Reason
from vehiclevision.record import Outcome, Record

_REASONS: Final = {
    Reason.EMPTY: "The file has no content.",
    Reason.TOO_MANY_BYTES: "The file is too large.",
    Reason.NOT_AN_IMAGE: "It is no picture, whatever its name says.",
    Reason.UNSUPPORTED_FORMAT: "It is a picture of a kind that is not taken.",
    Reason.TOO_MANY_PIXELS: "The picture has too many pixels.",
    Reason.SIDE_TOO_LONG: "A side is too long.",
    Reason.SIDE_TOO_SHORT: "The picture is too small.",
    Reason.TOO_ELONGATED: "The picture is a thin strip.",
    Reason.TOO_MANY_SCANS: "The JPEG is stored in too many passes.",
    Reason.ANIMATED: "It is an animation.",
    Reason.CANNOT_DECODE: "The file is damaged or cut short.",
    Reason.OBJECT_NOT_FOUND: "It was deleted before it could be read.",
}
_NEITHER: Final = "NEITHER_VEHICLE"


def because(record: Record) -> str:
    """Why it ended so, in a sentence; empty where there is nothing to explain."""
    if record.outcome is Outcome.NEEDS_REVIEW:
        return "The model was not sure enough."
    if record.reason == _NEITHER:
        return "A person saw neither vehicle."
    if record.outcome is Outcome.FAILED:
        return f"It could not be finished: {record.reason or 'nobody knows why'}."
    return _REASONS[Reason(record.reason)] if record.reason in list(Reason) else (record.reason or "")


def advice(record: Record) -> str:
    """What to do about it; empty where nothing is to be done."""
    if record.outcome is Outcome.NEEDS_REVIEW:
        return "A person decides: it waits under Review."
    if record.outcome is Outcome.FAILED:
        return "It is kept. Run it again from its page."
    return f"{record.hint[:1].upper()}{record.hint[1:]}." if record.hint else ""
