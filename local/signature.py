"""AWS's Signature Version 4 as the receiver checks it: who signed this request, and did they know the secret?

In AWS's words ("AWS Signature Version 4 for API requests", read on 28 November 2026): "AWS then replicates this process
and verifies the signature, granting or denying access accordingly."
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
CONTENT_HASH = b"x-amz-content-sha256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
# How far a signer's clock may be off, and how long a presigned address may be good.
CLOCK_SKEW = timedelta(minutes=15)
LONGEST_PRESIGNED = timedelta(days=7)
UNRESERVED = "-_.~"
_QUERY_FIELDS = ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires")


class SignatureError(Exception):
    """A request that is not signed as it must be, with AWS's code for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Request:
    """What a signature covers, as it was on the wire."""

    method: str
    path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Signature:
    """A signature's parts."""

    access_key_id: str
    scope: tuple[str, str, str]
    signed_headers: tuple[str, ...]
    value: str
    moment: str
    presigned: bool

    @property
    def service(self) -> str:
        """The service for which the request was signed."""
        return self.scope[2]


def parsed(request: Request, now: datetime | None = None) -> Signature:
    """The request's one signature, made within the time that it is good for; SignatureError without one."""
    headers = _by_name(request.headers)
    query = {name.decode("latin-1"): value.decode("latin-1") for name, value in _pairs(request.query)}
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    if bool(authorization) == ("X-Amz-Signature" in query):
        raise SignatureError("MissingAuthenticationToken", "The request carries no signature, or two.")
    if authorization:
        algorithm, _, rest = authorization.partition(" ")
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        moment = headers.get(b"x-amz-date", b"").decode("latin-1")
        values = [fields.get(name, "") for name in ("Credential", "SignedHeaders", "Signature")]
    else:
        algorithm = query.get("X-Amz-Algorithm", "")
        *values, moment, expires = [query.get(name, "") for name in _QUERY_FIELDS]
    credential, signed, value = values
    parts = credential.split("/")
    if algorithm != ALGORITHM or len(parts) != 5 or parts[4] != "aws4_request" or not value:
        raise SignatureError("IncompleteSignature", f"Requests are signed with {ALGORITHM} here.")
    signed_headers = tuple(signed.split(";"))
    if "host" not in signed_headers:
        raise SignatureError("IncompleteSignature", "The signature does not cover the host.")
    _check_time(moment, parts[1], CLOCK_SKEW if authorization else _lifetime(expires), now or datetime.now(UTC))
    scope = (parts[1], parts[2], parts[3])
    return Signature(parts[0], scope, signed_headers, value, moment, not authorization)


def _lifetime(expires: str) -> timedelta:
    seconds = int(expires) if expires.isdecimal() and len(expires) < 10 else 0
    return min(timedelta(seconds=seconds), LONGEST_PRESIGNED)


def _check_time(moment: str, day: str, lifetime: timedelta, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureError("IncompleteSignature", "The signature's date is none.") from error
    if not moment.startswith(day) or not -CLOCK_SKEW <= now - signed_at <= lifetime:
        raise SignatureError("RequestExpired", f"The signature is of {moment}, and it is {now:%Y%m%dT%H%M%SZ}.")


def needs_body(request: Request, signature: Signature) -> bool:
    """Whether the body itself is part of what was signed, and no header says what its digest is."""
    return not signature.presigned and CONTENT_HASH not in _by_name(request.headers)


def check(request: Request, signature: Signature, body: bytes, secret_of: Callable[[str], str | None]) -> None:
    """SignatureError unless whoever signed knew the secret of the key that they named."""
    secret = secret_of(signature.access_key_id)
    if secret is None:
        raise SignatureError("InvalidClientTokenId", "The security token included in the request is invalid.")
    if not hmac.compare_digest(_calculated(request, signature, body, secret), signature.value.encode()):
        raise SignatureError("SignatureDoesNotMatch", "The request's signature is not the one that its secret gives.")


def _calculated(request: Request, signature: Signature, body: bytes, secret: str) -> bytes:
    headers = _by_name(request.headers)
    if signature.presigned:
        digest = UNSIGNED_PAYLOAD.encode() if signature.service == "s3" else _sha256(body)
    else:
        digest = headers.get(CONTENT_HASH) or _sha256(body)
    names = [name.encode() for name in signature.signed_headers]
    canonical = b"\n".join(
        [
            request.method.encode(),
            _canonical_path(request.path, signature.service),
            _canonical_query(request.query),
            *(name + b":" + b" ".join(headers.get(name, b"").split()) for name in names),
            b"",
            b";".join(names),
            digest,
        ]
    )
    scope = "/".join((*signature.scope, "aws4_request"))
    text = b"\n".join([ALGORITHM.encode(), signature.moment.encode(), scope.encode(), _sha256(canonical)])
    key = f"AWS4{secret}".encode()
    for part in (*signature.scope, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text, hashlib.sha256).hexdigest().encode()


def _canonical_path(path: bytes, service: str) -> bytes:
    """S3 signs a path as it is sent; the others sign it without dots and empty parts, and encoded once more."""
    if service == "s3":
        return path
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    plain = b"/" + b"/".join(parts) + (b"/" if parts and path.endswith(b"/") else b"")
    return quote(plain, safe="/" + UNRESERVED).encode()


def _canonical_query(query: bytes) -> bytes:
    pairs = [
        (quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED))
        for name, value in _pairs(query)
        if name != b"X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs)).encode()


def _pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    parts = [part.partition(b"=") for part in query.split(b"&") if part]
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in parts]


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Headers by their names in lower case; the values of one that is there several times are joined, as signers do."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        known = joined.get(name.lower())
        joined[name.lower()] = value if known is None else known + b"," + value
    return joined


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
