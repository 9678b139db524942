"""Words for errors: one sentence and a hint, whatever went wrong below."""

from typing import Final

from botocore import exceptions as botocore
from botocore.exceptions import BotoCoreError, ClientError

from cli.errors import CommandError
from vehiclevision.refusal import Refusal

_SIGN_IN: Final = "Sign in (`aws sso login`), choose --profile, or leave --stack and --aws out to use the local AWS."
# AWS's codes, what to say of an operation that got one of them, and the hint.
_REFUSALS: Final = (
    (
        "ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired",
        "The AWS credentials have expired.",
        _SIGN_IN,
    ),
    (
        "InvalidAccessKeyId InvalidClientTokenId SignatureDoesNotMatch UnrecognizedClientException AuthFailure",
        "AWS does not know these credentials.",
        _SIGN_IN,
    ),
    (
        "AccessDenied AccessDeniedException UnauthorizedOperation 403",
        "AWS denies {operation} to these credentials.",
        "Have that permission granted to the user or role, or choose another with --profile.",
    ),
    (
        "Throttling ThrottlingException ThrottledException RequestLimitExceeded SlowDown TooManyRequestsException",
        "AWS asks to slow down ({operation}).",
        "Wait a minute, then run the command again.",
    ),
    (
        "NoSuchBucket ResourceNotFoundException StateMachineDoesNotExist",
        "{operation} found nothing of that name ({code}).",
        "Check what you named, and the stack with: vehiclevision status",
    ),
)


def explain(error: Exception) -> CommandError | None:
    """Words for an error that can be expected; None for a fault of our own."""
    match error:
        case CommandError():
            return error
        case Refusal():
            return CommandError(error.message, error.hint)
        case ClientError() | BotoCoreError():
            return of_aws(error)
        case OSError() if error.strerror:
            named = f": {error.filename}" if error.filename else ""
            return CommandError(f"{error.strerror}{named}.", "Mend that, then run the command again.")
    return None


def of_aws(error: ClientError | BotoCoreError) -> CommandError:
    """Words for an error of AWS, or of the way there."""
    return _refusal(error) if isinstance(error, ClientError) else _unreachable(error)


def _refusal(error: ClientError) -> CommandError:
    """AWS answered, with a refusal."""
    details = error.response.get("Error", {})
    code, operation = str(details.get("Code", "unknown")), error.operation_name
    for codes, words, hint in _REFUSALS:
        if code in codes.split():
            return CommandError(words.format(operation=operation, code=code), hint)
    message = " ".join(str(details.get("Message", "")).split())[:300]
    return CommandError(
        f"AWS refused {operation}: {code}. {message}".rstrip(), "Check what was asked for, then try again."
    )


def _unreachable(error: Exception) -> CommandError:
    """The request never came to an answer."""
    match error:
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError():
            return CommandError("No AWS credentials were found.", _SIGN_IN)
        case (
            botocore.CredentialRetrievalError()
            | botocore.TokenRetrievalError()
            | botocore.SSOError()
            | botocore.UnauthorizedSSOTokenError()
        ):
            return CommandError("The AWS sign-in has expired or cannot be used.", _SIGN_IN)
        case botocore.ProfileNotFound():
            return CommandError(f"{error}.", "List the profiles with: aws configure list-profiles")
        case botocore.NoRegionError() | botocore.InvalidRegionError():
            return CommandError("It is not clear in which AWS region the stack is.", "Name it with --region.")
        case botocore.ParamValidationError():
            text = " ".join(str(error).split())[:300]
            return CommandError(f"AWS cannot be asked for that: {text}", "Check the names given to the command.")
        case botocore.ConnectionError() | botocore.HTTPClientError():
            return _no_answer(error)
    return CommandError(
        f"AWS could not be asked: {' '.join(str(error).split())[:300]}", "Check the settings of the AWS SDK."
    )


def _no_answer(error: Exception) -> CommandError:
    endpoint = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    if "//127.0.0.1:" in endpoint or "//localhost:" in endpoint:
        return CommandError(
            "The local AWS does not answer.", "Look with: vehiclevision status. Start it with: vehiclevision up"
        )
    return CommandError(f"{endpoint or 'AWS'} cannot be reached.", "Check the network, the region and any proxy.")
