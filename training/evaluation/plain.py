"""Figures as they stand in JSON: whatever has nothing to be a share of is None, never NaN."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

# Marks a field whose entries stand beside a class's other ones, not under a name of their own.
BESIDE: Final = {"beside": True}


@dataclass(frozen=True)
class Share:
    """A share with the edges of its 95 % interval: in JSON `name`, `name_low` and `name_high`."""

    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class CountedShare(Share):
    """A share, and how many it is: in JSON `name_count`, too."""

    count: int


def plain(figures: Any) -> Any:
    """Figures as plain JSON; `from_` is called from."""
    if isinstance(figures, Mapping):
        return {name: plain(value) for name, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [plain(value) for value in figures]
    if not is_dataclass(figures):
        return figures
    told: dict[str, Any] = {}
    for field in fields(figures):
        name, value = field.name.rstrip("_"), getattr(figures, field.name)
        if isinstance(value, Share):
            told |= {name if part == "share" else f"{name}_{part}": edge for part, edge in vars(value).items()}
        elif field.metadata == BESIDE:
            told |= plain(value)
        else:
            told[name] = plain(value)
    return told
