"""Changes for the worse, each planted alone; importing the modules registers them."""

from tests.infra.weakenings import access, lean, monitoring, names, resources, sources, watch, workflow
from tests.infra.weakenings.planting import WEAKENINGS, Weakening

__all__ = [
    "WEAKENINGS",
    "Weakening",
    "access",
    "lean",
    "monitoring",
    "names",
    "resources",
    "sources",
    "watch",
    "workflow",
]
