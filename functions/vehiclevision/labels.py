"""What the model tells apart, in the order of its output, and what each answer means for the rider."""

from typing import Final

LABELS: Final = ("bicycle", "motorcycle")
ROUTES: Final = {"bicycle": "nearby", "motorcycle": "distant"}

# Square, RGB. CIFAR-100, which the model learns from, has 32 x 32 pixels; training and serving both read it here.
MODEL_INPUT_SIDE: Final = 32
