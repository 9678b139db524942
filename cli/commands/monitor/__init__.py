"""Check what the endpoint captures, every day or now.

The check is a second small application beside the first: it compares captured pictures and answers with a baseline,
counts, raises alarms and announces DriftDetected. In their order: deploy, check, describe, remove.
"""

from typing import Final

COMMANDS: Final = dict.fromkeys(("deploy", "check", "describe", "remove"))
