"""What SageMaker's API refuses, and why a job or a deployment fails.

ServiceError        a request that is refused, with SageMaker's code and wording
JobError            a training job that cannot go on; its text is the FailureReason
DeploymentError     a model that cannot be served; its text is the FailureReason
"""


class ServiceError(Exception):
    """An error as SageMaker reports it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class JobError(Exception):
    """The job fails; the text says why, in SageMaker's form."""


class DeploymentError(Exception):
    """The deployment fails; the text says why, in SageMaker's form."""


def invalid(message: str) -> ServiceError:
    """SageMaker's word for most refusals."""
    return ServiceError("ValidationException", message)
