"""Fetch, transform and load training data."""

from typing import Final

COMMANDS: Final = dict.fromkeys(("fetch", "transform", "load"))
