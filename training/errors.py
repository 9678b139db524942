"""What can go wrong with a model and its evaluation, in words for the person at the keyboard.

ModelError
├── ModelRefusedError         a model artefact that must be neither served nor measured
├── EvaluationRefusedError    nothing can be measured: no pictures, other data than asked for, costs that are none
└── EndpointFailedError       the endpoint that was to be measured gave no usable answer

The data on its way into training has errors of its own: training.data.errors.
"""


class ModelError(Exception):
    """The root: `message` is one sentence, `hint` says what would help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.message = message
        self.hint = hint


class ModelRefusedError(ModelError):
    """The file is no model artefact that this release may use."""


class EvaluationRefusedError(ModelError):
    """The evaluation cannot give figures that mean something."""


class EndpointFailedError(ModelError):
    """The endpoint gave no usable answer to one of the pictures."""
