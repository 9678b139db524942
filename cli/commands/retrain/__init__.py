"""Train with what people labelled, and deploy the new model only if it is better.

`vehiclevision monitor deploy` sets it up. A run starts by hand, by schedule or when drift is detected, and is held back
as long as labels or budget are missing.
"""

from typing import Final

COMMANDS: Final = dict.fromkeys(("start", "describe", "approve", "reject"))
