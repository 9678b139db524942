"""What the model tells apart, in the order of its output, and what each answer means for the rider."""

from typing import Final

LABELS: Final = ("bicycle", "motorcycle")
ROUTES: Final = {"bicycle": "nearby", "motorcycle": "distant"}

# Square, RGB: what the published weights learnt from. Training and serving both read it here.
MODEL_INPUT_SIDE: Final = 224
