"""What AWS's own SDK signs is let in; whatever is changed in it afterwards, or signed with another secret, is not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from local import signature
from local.signature import SignatureError

Scope = dict[str, Any]

KEY, SECRET = "KEYOFTHETEST", "its secret"
URL = "http://127.0.0.1:4566"


def secret_of(access_key_id: str) -> str | None:
    return SECRET if access_key_id == KEY else None


def sent(service: str, operation: str, **arguments: Any) -> tuple[Scope, bytes]:
    """What boto3 puts on the wire for a call."""
    session: Any = boto3.session.Session(KEY, SECRET, region_name="us-east-1")
    client = session.client(service, endpoint_url=URL, config=Config(retries={"total_max_attempts": 1}))
    prepared: list[Any] = []

    def keep(request: Any, **_: Any) -> AWSResponse:
        prepared.append(request)
        return AWSResponse(request.url, 500, HTTPHeaders(), None)

    client.meta.events.register("before-send.*.*", keep)
    with pytest.raises(Exception):  # noqa: B017 - of whatever kind, for there is no answer
        getattr(client, operation)(**arguments)
    request = prepared[0]
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    return as_received(request.method, request.url, request.headers), _bytes(body)


def as_received(method: str, url: str, headers: Mapping[str, Any]) -> Scope:
    parts = urlsplit(url)
    values = [(name.lower().encode(), _bytes(value)) for name, value in headers.items()]
    if not any(name == b"host" for name, _ in values):
        values.append((b"host", parts.netloc.encode()))
    raw = {"raw_path": parts.path.encode() or b"/", "query_string": parts.query.encode()}
    return {"method": method, **raw, "headers": values}


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def check(request: Scope, body: bytes, now: datetime | None = None) -> signature.Signature:
    made = signature.parsed(request, now)
    signature.check(request, made, body, secret_of)
    return made


CALLS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "an upload": ("s3", "put_object", {"Bucket": "b", "Key": "uploads/a b+ü%.jpg", "Body": b"x" * 1000}),
    "metadata": ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"x", "Metadata": {"a": "two  words"}}),
    "a list": ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "a/b c&d=e", "Delimiter": "/"}),
    "odd path": ("s3", "get_object", {"Bucket": "b", "Key": "a//b/../c/./d", "VersionId": "v+1/="}),
    "JSON": ("dynamodb", "list_tables", {}),
    "a form": ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": '{"a": "ü"}'}),
    "REST": ("lambda", "get_function", {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f"}),
    "bytes": ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": bytes(range(256))}),
    "headers": (
        "sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"", "CustomAttributes": "a=1,  b"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_what_the_sdk_signs_is_let_in(call: str) -> None:
    """Bodies, forms, odd keys and query strings, of services that sign in different ways."""
    service, operation, arguments = CALLS[call]

    request, body = sent(service, operation, **arguments)

    assert check(request, body).parts.access_key_id == KEY


@pytest.mark.parametrize("method", ["get_object", "put_object"])
def test_a_presigned_address_is_let_in_until_it_expires(method: str) -> None:
    """Of S3, whose content is not signed; for as long as it says and not a second longer."""
    session: Any = boto3.session.Session(KEY, SECRET, region_name="us-east-1")
    client = session.client("s3", endpoint_url=URL, config=Config(signature_version="s3v4"))
    url = client.generate_presigned_url(method, Params={"Bucket": "b", "Key": "a b.jpg"}, ExpiresIn=3600)
    request = as_received("GET" if method == "get_object" else "PUT", url, {})

    assert check(request, b"whatever").presigned
    assert check(request, b"", datetime.now(UTC) + timedelta(minutes=59)).presigned
    with pytest.raises(SignatureError, match="The signature is of"):
        check(request, b"", datetime.now(UTC) + timedelta(minutes=61))


CHANGES: Mapping[str, Any] = {
    "method": lambda request: {**request, "method": "DELETE"},
    "path": lambda request: {**request, "raw_path": b"/other"},
    "query": lambda request: {**request, "query_string": b"delete="},
    "host": lambda request: _with(request, b"host", b"evil.example:4566"),
    "target": lambda request: _with(request, b"x-amz-target", b"DynamoDB_20120810.DeleteTable"),
    "date": lambda request: _with(
        request, b"x-amz-date", f"{datetime.now(UTC) + timedelta(seconds=61):%Y%m%dT%H%M%SZ}".encode()
    ),
    "unsigned": lambda request: _without(request, b"authorization"),
    "signed twice": lambda request: {**request, "query_string": b"X-Amz-Signature=0"},
    "another key": lambda request: _in_authorization(request, KEY.encode(), b"000000000000"),
    "no key": lambda request: _in_authorization(request, KEY.encode(), b""),
    "another algorithm": lambda request: _in_authorization(request, b"AWS4-HMAC-SHA256", b"AWS4-ECDSA-P256-SHA256"),
    "signs no host": lambda request: _in_authorization(request, b"host;", b""),
    "nonsense": lambda request: _with(request, b"authorization", b"AWS4-HMAC-SHA256 Credential=local"),
    "the old key": lambda request: _in_authorization(request, KEY.encode(), b"local"),
    "not text": lambda request: _with(request, b"authorization", b"\xff" * 100),
}


def _later() -> bytes:
    return f"{datetime.now(UTC) + timedelta(seconds=61):%Y%m%dT%H%M%SZ}".encode()


def _with(request: Scope, name: bytes, value: bytes) -> Scope:
    return {**request, "headers": [(each, value if each == name else old) for each, old in request["headers"]]}


def _without(request: Scope, name: bytes) -> Scope:
    return {**request, "headers": [each for each in request["headers"] if each[0] != name]}


def _in_authorization(request: Scope, old: bytes, new: bytes) -> Scope:
    value = dict(request["headers"])[b"authorization"]
    return _with(request, b"authorization", value.replace(old, new, 1))


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_refused(change: str) -> None:
    """Any part that the signature covers, the key, or the signature itself."""
    request, body = sent("dynamodb", "list_tables")

    with pytest.raises(SignatureError):
        check(CHANGES[change](request), body)


def test_another_body_is_refused() -> None:
    """Where no header says what the body's digest is, the body itself is signed."""
    request, body = sent("dynamodb", "list_tables")

    assert signature.parsed(request).needs_body
    with pytest.raises(SignatureError, match="is not the one"):
        check(request, body + b" ")


@pytest.mark.parametrize("minutes", [-16, 16, 60 * 24 * 365])
def test_a_signature_of_another_time_is_refused(minutes: int) -> None:
    """A quarter of an hour is what clocks may differ."""
    request, body = sent("dynamodb", "list_tables")

    with pytest.raises(SignatureError, match="The signature is of"):
        check(request, body, datetime.now(UTC) + timedelta(minutes=minutes))
