"""AWS's Signature Version 4 as the receiver checks it: who signed this request, and did they know the secret?

In AWS's words ("AWS Signature Version 4 for API requests", read on 28 November 2026): "AWS then replicates this process
and verifies the signature, granting or denying access accordingly." How a request is signed is MiniStack's knowledge.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from ministack.core import sigv4

ALGORITHM = "AWS4-HMAC-SHA256"
# How far a signer's clock may be off, and how long a presigned address may be good.
CLOCK_SKEW = timedelta(minutes=15)
LONGEST_PRESIGNED = timedelta(days=7)


class SignatureError(Exception):
    """A request that is not signed as it must be, with AWS's code for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Signature:
    """A request's signature, and what of the request it was made from."""

    parts: sigv4.HeaderSignature
    presigned: bool
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]

    @property
    def needs_body(self) -> bool:
        """Whether the body itself is part of what was signed, and no header says what its digest is."""
        return not self.presigned and "x-amz-content-sha256" not in self.headers


def parsed(scope: Mapping[str, Any], now: datetime | None = None) -> Signature:
    """The request's one signature, made within the time that it is good for; SignatureError without one."""
    headers = _by_name(scope["headers"])
    query = parse_qs(scope["query_string"].decode("latin-1").replace("+", "%2B"), keep_blank_values=True)
    algorithm, presigned = headers.get("authorization", "").partition(" ")[0], "X-Amz-Signature" in query
    if bool(algorithm) == presigned:
        raise SignatureError("MissingAuthenticationToken", "The request carries no signature, or two.")
    if (query.get("X-Amz-Algorithm", [""])[0] if presigned else algorithm) != ALGORITHM:
        raise SignatureError("IncompleteSignature", f"Requests are signed with {ALGORITHM} here.")
    parts = sigv4.parse_query_signature(query) if presigned else sigv4.parse_header_signature(headers)
    if not isinstance(parts, sigv4.HeaderSignature):
        raise SignatureError(*parts)
    if "host" not in parts.signed_headers.split(";"):
        raise SignatureError("IncompleteSignature", "The signature does not cover the host.")
    lifetime = _lifetime(query.get("X-Amz-Expires", [""])[0]) if presigned else CLOCK_SKEW
    _check_time(parts, lifetime, now or datetime.now(UTC))
    return Signature(parts, presigned, headers, query)


def _lifetime(expires: str) -> timedelta:
    seconds = int(expires) if expires.isdecimal() and len(expires) < 10 else 0
    return min(timedelta(seconds=seconds), LONGEST_PRESIGNED)


def _check_time(parts: sigv4.HeaderSignature, lifetime: timedelta, now: datetime) -> None:
    moment = parts.amz_date
    try:
        signed_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureError("IncompleteSignature", "The signature's date is none.") from error
    if not moment.startswith(parts.date_stamp) or not -CLOCK_SKEW <= now - signed_at <= lifetime:
        raise SignatureError("RequestExpired", f"The signature is of {moment}, and it is {now:%Y%m%dT%H%M%SZ}.")


def check(scope: Mapping[str, Any], signature: Signature, body: bytes, secret_of: Callable[[str], str | None]) -> None:
    """SignatureError unless whoever signed knew the secret of the key that they named."""
    parts = signature.parts
    secret = secret_of(parts.access_key_id)
    if secret is None:
        raise SignatureError("InvalidClientTokenId", "The security token included in the request is invalid.")
    path = scope["raw_path"].decode("latin-1")
    _, signed = sigv4.header_signing_documents(
        parts, scope["method"], path, signature.query, signature.headers, body, presigned=signature.presigned
    )
    expected = sigv4.calculate_signature(secret, parts.date_stamp, parts.region, parts.service, signed)
    if not hmac.compare_digest(expected.encode(), parts.signature.encode()):
        raise SignatureError("SignatureDoesNotMatch", "The request's signature is not the one that its secret gives.")


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers by their names in lower case; the values of one that is there several times are joined, as signers do."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), sigv4.decode_header_value(raw_value)
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
