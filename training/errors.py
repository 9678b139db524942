"""What can go wrong with a model and its evaluation, in words for the person at the keyboard.

ModelError
├── ModelRefusedError         a model artefact that must be neither served nor measured
├── EvaluationRefusedError    nothing can be measured: no pictures, other data than asked for, costs that are none
├── EndpointFailedError       the endpoint that was to be measured gave no usable answer
└── ServiceFailedError        the service that answers are compared with cannot be asked

The data on its way into training has errors of its own: training.data.errors.
"""

from vehiclevision.refusal import Refusal


class ModelError(Refusal):
    """The root."""


class ModelRefusedError(ModelError):
    """The file is no model artefact that this release may use."""


class EvaluationRefusedError(ModelError):
    """The evaluation cannot give figures that mean something."""


class EndpointFailedError(ModelError):
    """The endpoint gave no usable answer to one of the pictures."""


class ServiceFailedError(ModelError):
    """The service whose answers are compared with ours cannot be asked."""
