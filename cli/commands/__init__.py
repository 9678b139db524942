"""Which vehicle does a photo show, how sure is that, and where does the rider go?

The commands work on the local AWS of this machine, or with --stack on a stack in AWS.
"""

from typing import Final

# All that can be typed, in the order of `vehiclevision --help`: a file or a folder each.
PANELS: Final = {
    "The local AWS": ("up", "down", "status", "env", "demo", "open", "doctor"),
    "AWS": ("rehearse", "deploy", "share", "cost"),
    "Images": ("console", "drop", "start", "results", "logs", "review", "backfill", "reconcile", "redrive", "erase"),
    "The model": ("train", "evaluate", "data", "sagemaker"),
    "Monitoring": ("report", "baseline", "monitor", "retrain"),
}
COMMANDS: Final = {name: panel for panel, names in PANELS.items() for name in names}
