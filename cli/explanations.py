"""Words for errors: one sentence and a hint, whatever went wrong below."""

from dataclasses import dataclass
from typing import Final

from botocore import exceptions as botocore
from botocore.exceptions import BotoCoreError, ClientError

from cli.errors import FAILURE, CommandError
from lifecycle.errors import SageMakerStepError
from local.errors import LocalAwsError
from monitoring.errors import MonitoringError
from training.data.errors import DataError
from training.errors import ModelError

_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_CREDENTIALS: Final = frozenset(
    {
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "AuthFailure",
    }
)
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
_THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "SlowDown",
        "TooManyRequestsException",
    }
)
_GONE: Final = frozenset({"NoSuchBucket", "ResourceNotFoundException", "StateMachineDoesNotExist"})
_SIGN_IN: Final = "Sign in (for example `aws sso login`), choose --profile, or leave --stack out to use the local AWS."


@dataclass(frozen=True)
class Explanation:
    """An error in words for the person at the keyboard."""

    message: str
    hint: str
    exit_code: int = FAILURE


def explain(error: Exception) -> Explanation | None:
    """Words for an error that can be expected; None for a fault of our own."""
    match error:
        case CommandError():
            return Explanation(error.message, error.hint, error.exit_code)
        case LocalAwsError() | DataError() | ModelError() | SageMakerStepError():
            return Explanation(error.message, error.hint)
        case MonitoringError():
            return Explanation(str(error), error.hint)
        case ClientError():
            return _refusal(error)
        case BotoCoreError():
            return _unreachable(error)
        case OSError() if error.strerror:
            where = f": {error.filename}" if error.filename else ""
            return Explanation(f"{error.strerror}{where}.", "Mend that, then run the command again.")
    return None


def _refusal(error: ClientError) -> Explanation:
    """AWS answered, with a refusal."""
    details = error.response.get("Error", {})
    code, operation = str(details.get("Code", "unknown")), error.operation_name
    if code in _EXPIRED:
        return Explanation("The AWS credentials have expired.", _SIGN_IN)
    if code in _UNKNOWN_CREDENTIALS:
        return Explanation("AWS does not know these credentials.", _SIGN_IN)
    if code in _DENIED:
        return Explanation(
            f"AWS denies {operation} to these credentials.",
            "Have that permission granted to the user or role, or choose another with --profile.",
        )
    if code in _THROTTLED:
        return Explanation(f"AWS asks to slow down ({operation}).", "Wait a minute, then run the command again.")
    if code in _GONE:
        return Explanation(
            f"{operation} found nothing of that name ({code}).", "Check the stack with: vehiclevision status"
        )
    message = " ".join(str(details.get("Message", "")).split())[:300]
    return Explanation(
        f"AWS refused {operation}: {code}. {message}".rstrip(), "Check what was asked for, then try again."
    )


def _unreachable(error: Exception) -> Explanation:
    """The request never came to an answer."""
    match error:
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError():
            return Explanation("No AWS credentials were found.", _SIGN_IN)
        case (
            botocore.CredentialRetrievalError()
            | botocore.TokenRetrievalError()
            | botocore.SSOError()
            | botocore.UnauthorizedSSOTokenError()
        ):
            return Explanation("The AWS sign-in has expired or cannot be used.", _SIGN_IN)
        case botocore.ProfileNotFound():
            return Explanation(f"{error}.", "List the profiles with: aws configure list-profiles")
        case botocore.NoRegionError() | botocore.InvalidRegionError():
            return Explanation("It is not clear in which AWS region the stack is.", "Name it with --region.")
        case botocore.ParamValidationError():
            text = " ".join(str(error).split())[:300]
            return Explanation(f"AWS cannot be asked for that: {text}", "Check the names given to the command.")
        case botocore.ConnectionError() | botocore.HTTPClientError():
            return _no_answer(error)
    return Explanation(
        f"AWS could not be asked: {' '.join(str(error).split())[:300]}", "Check the settings of the AWS SDK."
    )


def _no_answer(error: Exception) -> Explanation:
    endpoint = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    if "//127.0.0.1:" in endpoint or "//localhost:" in endpoint:
        return Explanation(
            "The local AWS does not answer.", "Look with: vehiclevision status. Start it with: vehiclevision up"
        )
    return Explanation(f"{endpoint or 'AWS'} cannot be reached.", "Check the network, the region and any proxy.")
