"""A check's numbers in the files and the schema of SageMaker Model Monitor.

statistics.json              what the window's records are like
constraints.json             what the baseline lets one expect
constraint_violations.json   what changed

The schema is AWS's ("Schema for Statistics", "… Constraints", "… Violations" in SageMaker's developer guide). What
counts as a violation is decided by monitoring.drift, whose false-alarm rate is known, not by a distance in a file.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from monitoring.drift.baseline import MIX, Baseline, mix_of, usable
from monitoring.drift.decision import KINDS, MIX_NAME, Decision
from monitoring.measure import Numbers

VERSION: Final = 0
STATISTICS: Final = "statistics.json"
CONSTRAINTS: Final = "constraints.json"
VIOLATIONS: Final = "constraint_violations.json"
LABEL: Final = "label"
# Model Monitor always writes ten.
BUCKETS: Final = 10
# Its KLL sketch keeps at most so many numbers a level.
SKETCH_SIZE: Final = 2048
SKETCH_SHRINKAGE: Final = 0.64


def statistics(columns: Mapping[str, Numbers], threshold: float, records: int) -> dict[str, Any]:
    """What a window's records are like; `records` is how many there were, of which the columns are a sample."""
    names = [name for name in KINDS if name in columns]
    count = max((len(columns[name]) for name in names), default=0)
    features = [_numeric(name, columns[name]) for name in names]
    features.append(_label(mix_of(columns, threshold), count))
    return {"version": VERSION, "dataset": {"item_count": count, "sampled_from": records}, "features": features}


def constraints(baseline: Baseline) -> dict[str, Any]:
    """What the baseline lets one expect of every record."""
    columns = {name: values for name, values in baseline.columns.items() if name in KINDS}
    features = [
        constraint(name, "Fractional", num_constraints={"is_non_negative": bool(values.min() >= 0)})
        for name, values in columns.items()
    ]
    return constraints_of([*features, constraint(LABEL, "String", string_constraints={"domains": list(MIX)})])


def violations(decision: Decision) -> dict[str, Any]:
    """What changed, in words; without a change the list is empty."""
    return {
        "violations": [
            {
                "feature_name": LABEL if one.name == MIX_NAME else one.name,
                "constraint_check_type": "baseline_drift_check",
                "description": f"{one.words} (p = {one.adjusted:.2g} over all that was compared, n = {one.n})",
            }
            for one in decision.changed
        ]
    }


def constraint(name: str, kind: str, **more: Mapping[str, Any]) -> dict[str, Any]:
    """What one lets oneself expect of a column: it is always there, of this type."""
    return {"name": name, "inferred_type": kind, "completeness": 1.0, **more}


def constraints_of(features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Types and completeness are Model Monitor's to check; its distances have no known false-alarm rate."""
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": {
            "perform_comparison": "Disabled",
            "comparison_threshold": 0.1,
            "comparison_method": "Robust",
        },
    }
    return {"version": VERSION, "features": list(features), "monitoring_config": config}


def _numeric(name: str, values: Numbers) -> dict[str, Any]:
    usable_values = np.sort(usable(values))
    common = {"num_present": len(usable_values), "num_missing": len(values) - len(usable_values)}
    if not len(usable_values):
        return {"name": name, "inferred_type": "Unknown", "numerical_statistics": {"common": common}}
    return {
        "name": name,
        "inferred_type": "Fractional",
        "numerical_statistics": {
            "common": common,
            "mean": float(usable_values.mean()),
            "sum": float(usable_values.sum()),
            "std_dev": float(usable_values.std()),
            "min": float(usable_values[0]),
            "max": float(usable_values[-1]),
            "distribution": {"kll": {"buckets": _buckets(usable_values), "sketch": _sketch(usable_values)}},
        },
    }


def _buckets(ordered: Numbers) -> list[dict[str, float]]:
    counts, edges = np.histogram(ordered, bins=BUCKETS, range=(ordered[0], ordered[-1]))
    return [
        {"lower_bound": low, "upper_bound": high, "count": count}
        for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.astype(float).tolist(), strict=True)
    ]


def _sketch(ordered: Numbers) -> dict[str, Any]:
    """A KLL sketch of sorted numbers: those of level h stand for 2^h each, and together they stand for all."""
    height = max(0, math.ceil(math.log2(len(ordered) / SKETCH_SIZE)))
    step = 2**height
    whole = len(ordered) - len(ordered) % step
    levels: list[list[float]] = [[] for _ in range(height + 1)]
    levels[0] = ordered[whole:].tolist()
    levels[height] = levels[height] + ordered[step // 2 : whole : step].tolist()
    return {"parameters": {"c": SKETCH_SHRINKAGE, "k": float(SKETCH_SIZE)}, "data": levels}


def _label(mix: Mapping[str, int], count: int) -> dict[str, Any]:
    present = sum(mix.values())
    return {
        "name": LABEL,
        "inferred_type": "String",
        "string_statistics": {
            "common": {"num_present": present, "num_missing": count - present},
            "distinct_count": float(sum(number > 0 for number in mix.values())),
            "distribution": {
                "categorical": {"buckets": [{"value": name, "count": number} for name, number in mix.items() if number]}
            },
        },
    }
