"""What Model Monitor's own schedule needs in the bucket: the record preprocessor, and constraints on its records.

Model Monitor then checks types and completeness and draws its charts. Drift stays with monitoring.drift.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from monitoring.model_monitor.files import LABEL, constraint, constraints_of
from vehiclevision.labels import LABELS

PREPROCESSOR: Final = Path(__file__).with_name("preprocessor.py")
_LABELS_LINE: Final = re.compile(r"^LABELS = .*$", re.MULTILINE)
NUMBERS: Final = {
    **dict.fromkeys(LABELS, "Fractional"),
    "confidence": "Fractional",
    "height": "Integral",
    "payload_bytes": "Integral",
    "sureness": "Fractional",
    "width": "Integral",
}


def objects() -> dict[str, bytes]:
    """Name and content of each file, as template.yaml names them."""
    return {
        "preprocessor.py": preprocessor(),
        "constraints.json": json.dumps(constraints(), indent=1).encode(),
    }


def preprocessor() -> bytes:
    """The preprocessor's file, for our labels: in its container there is nothing that it could read them from."""
    return _LABELS_LINE.sub(f"LABELS = {LABELS!r}", PREPROCESSOR.read_text()).encode()


def constraints() -> dict[str, Any]:
    """Of the records that the preprocessor makes, each column in the order of its names."""
    label = constraint(LABEL, "String", string_constraints={"domains": list(LABELS)})
    numbers = [constraint(name, kind, num_constraints={"is_non_negative": True}) for name, kind in NUMBERS.items()]
    return constraints_of(sorted([*numbers, label], key=lambda feature: str(feature["name"])))
