"""The page as a function behind API Gateway: who comes in, what each may do, and the way of a partner's photo."""

import base64
import hashlib
import importlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3
import jsonschema
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from mangum import Mangum
from moto import mock_aws

from console import openapi
from console.app import OWN_ADDRESSES
from console.pages import partner
from console.roles import Role, role_in
from console.served import aws_of
from console.shared import SHARED_ADDRESSES, make_shared
from console.sign_in import GOING, LOOK_AGAIN_SECONDS, SESSION, NobodyError, Pool, Tokens
from lifecycle import registry
from lifecycle.images import OWN
from lifecycle.registry import Candidate, Version
from tests.unit.console.events import PAGE, Answer, answer, event
from tests.unit.lambda_context import Context
from tests.unit.pictures import encoded, quarters
from training.artefact import DEFAULT_MODEL, Artefact, load_model, read_members, write_artefact
from vehiclevision.image_gate import Limits
from vehiclevision.record import Outcome, iso

BUCKET = "vehiclevision-uploads"
TABLE = "vehiclevision-results"
MODELS = "vehiclevision-sagemaker-123456789012-us-east-1"
ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcdef123"
SIGN_IN = "https://vehicles.auth.us-east-1.amazoncognito.com"
CLIENT = "1h57kf5cpq17m0eml12EXAMPLE"
SYSTEM = "7c9qf5cpq17m0eml12EXAMPLE"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "APPLICATION": "vehiclevision",
    "BUCKET_NAME": BUCKET,
    "RESULTS_TABLE_NAME": TABLE,
    "EVENT_BUS_NAME": "vehiclevision-vehicles",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:classify-vehicle",
    "FILTER_INFERENCES_FUNCTION_NAME": "vehiclevision-filter-inferences",
    "ENDPOINT_NAME": "vehiclevision",
    "SERIALIZE_IMAGE_LOG_GROUP": "/aws/lambda/serialize",
    "CLASSIFY_IMAGE_LOG_GROUP": "/aws/lambda/classify",
    "FILTER_INFERENCES_LOG_GROUP": "/aws/lambda/filter",
    "CLIENT_ID": CLIENT,
    "ISSUER": ISSUER,
    "SIGN_IN_ADDRESS": SIGN_IN,
    "PAGE_ADDRESS": PAGE,
    "POWERTOOLS_SERVICE_NAME": "vehiclevision-console",
}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = {"keys": [{**jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "ours", "alg": "RS256"}]}
PHOTO = encoded(quarters(200), "JPEG")


def claims(role: Role = Role.OPERATOR, **changed: Any) -> dict[str, Any]:
    """What Cognito says of a person."""
    now = int(time.time())
    groups = [role.group] if role is not Role.ANYBODY else []
    said = {"iss": ISSUER, "aud": CLIENT, "token_use": "id", "iat": now, "exp": now + 3600}
    return {**said, "cognito:username": "ada", "email": "ada@example.com", "cognito:groups": groups, **changed}


def token(said: Mapping[str, Any], key: Any = KEY, kid: str = "ours", algorithm: str = "RS256") -> str:
    """A token as Cognito signs it."""
    return jwt.encode(dict(said), key, algorithm=algorithm, headers={"kid": kid})


@dataclass
class Page:
    """The function, and the pool that it asks."""

    call: Any
    s3: Any
    dynamodb: Any
    asked: list[tuple[str, Mapping[str, str] | None]]
    # What the pool gives for a code.
    given: dict[str, str]
    begun: Callable[[], Any]
    application: Any

    def ask(self, method: str, path: str, **request: Any) -> Answer:
        """Ask as anybody may."""
        return answer(self.call(event(method, path, **request), Context()))

    def as_person(self, role: Role, method: str, path: str, **request: Any) -> Answer:
        """Ask as somebody of that role who signed in, from the page itself."""
        headers = {"accept": "text/html", "origin": PAGE, **request.pop("headers", {})}
        return self.ask(method, path, headers=headers, cookies={SESSION: token(claims(role))}, **request)

    def as_system(self, method: str, path: str, scope: str, system: str = SYSTEM, **request: Any) -> Answer:
        """Ask as a system whose token API Gateway has let through."""
        return self.ask(method, path, claims={"client_id": system, "scope": scope, "token_use": "access"}, **request)

    def record(self, key: str, version: str, outcome: Outcome, **fields: Any) -> None:
        """Record what became of a photo, as the workflow does."""
        said = {"outcome": outcome.value, "recorded_at": iso(datetime.now(UTC)), "s3_bucket": BUCKET, "s3_key": key}
        said |= {"object": f"{BUCKET}/{key}", "version_id": version, **fields}
        self.dynamodb.put_item(TableName=TABLE, Item={name: typed(value) for name, value in said.items()})


def typed(value: Any) -> dict[str, Any]:
    """A value as DynamoDB takes it."""
    if isinstance(value, list):
        return {"L": [typed(each) for each in value]}
    return {"N": str(value)} if isinstance(value, float) else {"S": value}


@pytest.fixture(scope="module")
def page(root: Path) -> Iterator[Page]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        # Behind all else: what it links to is found where it is.
        patch.setattr(sys, "path", [*sys.path, str(root / "console" / "lambda")])
        # A test is over sooner than what is new is looked for again.
        patch.setattr("console.ledger.FRESH_SECONDS", 0.0)
        settings = importlib.import_module("serve_page.settings")
        s3 = boto3.client("s3")
        dynamodb: Any = boto3.client("dynamodb")
        s3.create_bucket(Bucket=BUCKET)
        s3.create_bucket(Bucket=MODELS)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        key = [{"AttributeName": "object", "KeyType": "HASH"}, {"AttributeName": "version_id", "KeyType": "RANGE"}]
        index = [{"AttributeName": "outcome", "KeyType": "HASH"}, {"AttributeName": "recorded_at", "KeyType": "RANGE"}]
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=key,
            AttributeDefinitions=[
                {"AttributeName": each["AttributeName"], "AttributeType": "S"} for each in key + index
            ],
            GlobalSecondaryIndexes=[
                {"IndexName": "by_outcome", "KeySchema": index, "Projection": {"ProjectionType": "ALL"}}
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("events").create_event_bus(Name=ENVIRONMENT["EVENT_BUS_NAME"])
        boto3.client("stepfunctions").create_state_machine(
            name="classify-vehicle",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            roleArn="arn:aws:iam::123456789012:role/vehicles",
        )
        asked: list[tuple[str, Mapping[str, str] | None]] = []
        given: dict[str, str] = {}

        def ask(address: str, form: Mapping[str, str] | None) -> Any:
            asked.append((address, form))
            return KEYS if form is None else given

        application = settings.application(ENVIRONMENT)

        def begun() -> Any:
            """A copy of the function that has just begun."""
            made = make_shared(application, settings.pool(ENVIRONMENT), ask, lambda error: None)
            return Mangum(made, lifespan="off")

        yield Page(begun(), s3, dynamodb, asked, given, begun, application)


# ---- who may do what ---------------------------------------------------------------------------------------------


def test_every_address_has_the_role_that_is_meant() -> None:
    """Whoever gives an address to others than these must say so here."""
    expected = {
        Role.ANYBODY: {"GET /docs", "GET /openapi.json"},
        Role.VIEWER: {
            *("GET /", "GET /photos.csv", "GET /photos.json", "GET /photo", "GET /photo/run", "GET /picture"),
            *("GET /arrivals", "GET /sent/{id}"),
            *("GET /model", "GET /model/compare", "GET /model/compare/part", "GET /runbook/{name}"),
        },
        Role.REVIEWER: {"GET /review", "POST /review", "POST /photo/correct"},
        Role.OPERATOR: {"POST /photo/again", "POST /send"},
    }

    people = [each for each in SHARED_ADDRESSES if not each.scope and not each.path.startswith("/static/")]

    assert {f"{each.method} {each.path}": each.role for each in people} == {
        address: role for role, addresses in expected.items() for address in addresses
    }
    assert {f"{each.method} {each.path}": each.scope for each in SHARED_ADDRESSES if each.scope} == {
        "POST /photos": partner.SEND,
        "GET /photos/{id}": partner.READ,
    }
    assert all(each.role is not Role.ANYBODY for each in OWN_ADDRESSES if not each.path.startswith("/static/"))


def test_each_role_is_refused_where_it_should_be(page: Page) -> None:
    """Every address, asked by nobody and by each role: whoever has less than its role gets nothing but a refusal."""
    for address in SHARED_ADDRESSES:
        if address.scope:
            continue
        path = address.path.replace("{id}", "A" * 22)
        nobody = page.ask(address.method, path, headers={"origin": PAGE})
        assert (nobody.status == 401) is (address.role is not Role.ANYBODY), path
        for role in Role:
            refused = page.as_person(role, address.method, path, body=b"").status == 403
            assert refused is (role < address.role), f"{role.name} at {address.method} {path}"


def test_an_address_that_nobody_made_is_told_to_people_only(page: Page) -> None:
    """What there is and what there is not looks the same to strangers."""
    assert page.ask("GET", "/model/report").status == 401
    assert page.as_person(Role.VIEWER, "GET", "/model/report").status == 404
    assert page.as_person(Role.ANYBODY, "GET", "/model/report").status == 403


def test_a_system_needs_the_scope_and_comes_by_the_gateway_only(page: Page) -> None:
    """A person's cookie opens no address of systems, nor does a token that API Gateway has not checked."""
    for method, path, scope in (("POST", "/photos", partner.SEND), ("GET", f"/photos/{'A' * 22}", partner.READ)):
        bearer = {"authorization": f"Bearer {token(claims())}", "accept": "text/html"}
        assert page.ask(method, path, headers=bearer).status == 401
        assert page.as_person(Role.OPERATOR, method, path).status == 401
        assert page.as_system(method, path, "photos/other openid").status == 403
        assert page.as_system(method, path, f"openid {scope}").status in (200, 201)


@pytest.mark.parametrize("origin", [None, "null", "https://elsewhere.example", f"{PAGE}.elsewhere.example"])
def test_another_page_makes_nobody_decide(page: Page, origin: str | None) -> None:
    """What is not sent by the page itself changes nothing, whoever's browser sends it."""
    headers = {"origin": origin} if origin else {}

    sent = page.ask("POST", "/review", headers=headers, cookies={SESSION: token(claims())}, body=b"action=undo")

    assert sent.status == 403


def test_groups_that_are_none_give_no_role() -> None:
    """Only a list of names counts, and only the names of roles."""
    assert role_in(["reviewer", "viewer", "admins"]) is Role.REVIEWER
    for nonsense in (None, "operator", ["anybody"], ["OPERATOR"], [1], {"operator": 1}, []):
        assert role_in(nonsense) is Role.ANYBODY


# ---- tokens ------------------------------------------------------------------------------------------------------

PUBLIC = KEYS["keys"][0]["n"].encode()
FALSE_TOKENS = {
    "none": "",
    "no token": "a.b.c",
    "unsigned": jwt.encode(claims(), "", algorithm="none", headers={"kid": "ours"}),
    "signed with the public key": token(claims(), PUBLIC, algorithm="HS256"),
    "signed by another": token(claims(), OTHER_KEY),
    "of a key that nobody knows": token(claims(), OTHER_KEY, "theirs"),
    "of another client": token(claims(aud=SYSTEM)),
    "of another pool": token(claims(iss=f"{ISSUER}4")),
    "too old": token(claims(exp=int(time.time()) - 1)),
    "an access token": token(claims(token_use="access")),
    "without an end": token({name: value for name, value in claims().items() if name != "exp"}),
    "without a name": token({name: value for name, value in claims().items() if name != "cognito:username"}),
}


@pytest.mark.parametrize("name", FALSE_TOKENS)
def test_a_false_token_opens_nothing(page: Page, name: str) -> None:
    """A person's token counts only if the pool signed it, for this page, as a person's, and not too long ago."""
    assert page.ask("GET", "/", cookies={SESSION: FALSE_TOKENS[name]}).status == 401


def test_keys_that_nobody_knows_make_nobody_ask_without_end() -> None:
    """Tokens naming keys of their own make the page ask the pool once a minute, and a new key is found then."""
    asked: list[str] = []
    now = 1000.0
    keys: dict[str, Any] = {"keys": []}

    def ask(address: str, form: Mapping[str, str] | None) -> Any:
        asked.append(address)
        return keys

    tokens = Tokens(Pool(CLIENT, ISSUER, f"{ISSUER}/.well-known/jwks.json", SIGN_IN, PAGE), ask, lambda: now)
    for _ in range(20):
        with pytest.raises(NobodyError):
            tokens.claims(token(claims()))
    assert asked == [f"{ISSUER}/.well-known/jwks.json"]

    keys, now = KEYS, now + LOOK_AGAIN_SECONDS + 1
    assert tokens.claims(token(claims()))["email"] == "ada@example.com"
    assert len(asked) == 2


def led_away(page: Page, path: str = "/photo", query: str = "key=a%20b") -> tuple[dict[str, str], str]:
    """What the sign-in page is asked with, and the cookie that the browser keeps meanwhile."""
    away = page.ask("GET", path, query=query, headers={"accept": "text/html"})
    assert away.status == 303
    address = urlsplit(away.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{SIGN_IN}/oauth2/authorize"
    return {name: values[0] for name, values in parse_qs(address.query).items()}, away.cookies[GOING]


def test_a_person_signs_in_and_comes_back_to_where_they_were(page: Page) -> None:
    """The code is exchanged with the verifier of this browser, and the token becomes a cookie."""
    asked, going = led_away(page)
    page.given["id_token"] = token(claims(Role.VIEWER, nonce=asked["nonce"]))

    back = page.ask("GET", "/signed-in", query=f"code=c0de&state={asked['state']}", cookies={GOING: going})

    assert (back.status, back.headers["location"]) == (303, "/photo?key=a%20b")
    form = page.asked[-1][1] if page.asked[-1][1] else page.asked[-2][1]
    assert form is not None
    assert form["code"] == "c0de"
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
    assert asked["redirect_uri"] == form["redirect_uri"] == f"{PAGE}/signed-in"
    seen = page.ask("GET", "/", cookies={SESSION: back.cookies[SESSION]}, headers={"accept": "text/html"})
    assert seen.status == 200
    assert "ada@example.com" in seen.text


def test_a_code_that_another_browser_began_with_signs_nobody_in(page: Page) -> None:
    """State, browser and nonce belong together; nothing is asked of the pool for a state that is not this browser's."""
    asked, going = led_away(page)
    before = len(page.asked)
    for query, cookies in (
        (f"code=c0de&state={asked['state']}", {}),
        ("code=c0de&state=another", {GOING: going}),
        (f"state={asked['state']}", {GOING: going}),
        ("error=access_denied", {GOING: going}),
        ("code=c0de&state=", {GOING: "...."}),
    ):
        back = page.ask("GET", "/signed-in", query=query, cookies=cookies, headers={"accept": "text/html"})
        assert (back.status, SESSION in back.cookies) == (401, False)
    assert len(page.asked) == before
    page.given["id_token"] = token(claims(nonce="another"))
    back = page.ask("GET", "/signed-in", query=f"code=c&state={asked['state']}", cookies={GOING: going})
    assert (back.status, SESSION in back.cookies) == (401, False)


def test_signing_in_leads_to_no_other_host(page: Page) -> None:
    """An address that begins with slashes comes back as one of ours."""
    asked, going = led_away(page, "//elsewhere.example/x", "")
    page.given["id_token"] = token(claims(nonce=asked["nonce"]))

    back = page.ask("GET", "/signed-in", query=f"code=c&state={asked['state']}", cookies={GOING: going})

    assert back.headers["location"] == "/elsewhere.example/x"


def test_signing_out_takes_the_cookie(page: Page) -> None:
    """And leads on to where the sign-in page itself forgets."""
    left = page.as_person(Role.VIEWER, "POST", "/sign-out", body=b"")

    assert (left.status, left.cookies[SESSION]) == (200, "")
    assert f"{SIGN_IN}/logout?client_id={CLIENT}" in left.text


# ---- a partner's photo -------------------------------------------------------------------------------------------


def placed(page: Page, wish: Any = None, system: str = SYSTEM) -> dict[str, Any]:
    """Where a photo may be sent."""
    asked = page.as_system("POST", "/photos", partner.SEND, system, body=json.dumps(wish or {}).encode())
    assert asked.status == 201, asked.text
    answered: dict[str, Any] = json.loads(asked.body)
    return answered


def read(page: Page, photo: str, system: str = SYSTEM) -> dict[str, Any]:
    """What became of a photo."""
    asked = page.as_system("GET", f"/photos/{photo}", partner.READ, system)
    assert asked.status == 200, asked.text
    answered: dict[str, Any] = json.loads(asked.body)
    return answered


def test_a_photo_goes_straight_to_the_bucket_under_conditions(page: Page) -> None:
    """The form is good for one key of that system, one kind of picture, and no more bytes than the gate takes."""
    place = placed(page, {"name": "C:/photos/Fahrer 42 ü.heic", "content_type": "image/heic"})

    key = f"uploads/partner/{SYSTEM}/{place['id']}"
    assert place["id"].endswith(".Fahrer_42_.heic")
    assert place["upload"]["fields"]["key"] == key
    conditions = json.loads(base64.b64decode(place["upload"]["fields"]["policy"]))["conditions"]
    assert {"Content-Type": "image/heic"} in conditions
    assert ["content-length-range", 1, Limits().max_bytes] in conditions
    assert {"bucket": BUCKET} in conditions
    assert {"key": key} in conditions
    assert place["max_bytes"] == Limits().max_bytes


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"x"', b'{"name": 3}', b'{"content_type": "text/html"}', b'{"content_type": []}', b"[" * 15_000,
     b"\xff\xfe", b"x" * 20_000],
)  # fmt: skip
def test_a_wish_that_cannot_be_meant_gets_a_sentence(page: Page, body: bytes) -> None:
    """Never a form, never a fault."""
    refused = page.as_system("POST", "/photos", partner.SEND, body=body)

    assert refused.status == 400
    assert len(refused.text) > 20


def test_the_way_of_a_photo_is_told_until_it_ends(page: Page) -> None:
    """Awaited, on its way, ended; each answer is what the OpenAPI document says."""
    place = placed(page, {"name": "rider.jpg"})
    awaited = read(page, place["id"])
    key = place["upload"]["fields"]["key"]
    version = page.s3.put_object(Bucket=BUCKET, Key=key, Body=PHOTO)["VersionId"]
    going = read(page, place["id"])
    confidences = [0.97, 0.01]
    page.record(
        key, version, Outcome.CLASSIFIED, label="bicycle", confidence=0.97, inferences=confidences, route="nearby",
        model_version="m1",
    )  # fmt: skip
    ended = read(page, place["id"])

    assert [each["state"] for each in (awaited, going, ended)] == ["AWAITED", "ON_ITS_WAY", "ENDED"]
    assert (going["stage"], going["outcome"]) == ("uploaded", None)
    assert (ended["outcome"], ended["label"], ended["route"]) == ("CLASSIFIED", "bicycle", "nearby")
    assert ended["confidences"] == {"bicycle": 0.97, "motorcycle": 0.01}
    schemas = openapi.document(PAGE, f"{SIGN_IN}/oauth2/token")
    for answered, schema in ((place, "Expected"), (awaited, "Photo"), (going, "Photo"), (ended, "Photo")):
        jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **schemas}).validate(answered)


def test_a_refused_photo_says_why_and_what_would_help(page: Page) -> None:
    """Reason and hint stand in the answer."""
    place = placed(page)
    page.record(place["upload"]["fields"]["key"], "v1", Outcome.REJECTED, reason="NOT_AN_IMAGE", hint="send a photo")

    ended = read(page, place["id"])

    assert (ended["outcome"], ended["reason"], ended["hint"]) == ("REJECTED", "NOT_AN_IMAGE", "send a photo")
    assert ended["confidences"] is None


def test_no_system_reads_another_s_photo(page: Page) -> None:
    """By another's id there is nothing, and by a strange one a refusal."""
    place = placed(page)
    page.record(place["upload"]["fields"]["key"], "v1", Outcome.REJECTED, reason="EMPTY")

    assert read(page, place["id"], "anotherSystem")["state"] == "AWAITED"
    for strange in ("..", "%2e%2e", "x", "A" * 22 + ".../x", "A" * 21 + "ü"):
        assert page.as_system("GET", f"/photos/{strange}", partner.READ).status in (401, 404)
    for strange in ("", "a/b", "..", "ü"):
        assert page.as_system("POST", "/photos", partner.SEND, strange).status == 409


def test_people_send_photos_the_same_way(page: Page) -> None:
    """Through the page an operator is given such a form too, for the folder of people."""
    sent = page.as_person(Role.OPERATOR, "POST", "/send", body=b'{"name": "a/b.jpg"}')

    place = json.loads(sent.body)
    assert place["upload"]["fields"]["key"] == f"uploads/page/{place['id']}"
    assert json.loads(page.as_person(Role.VIEWER, "GET", f"/sent/{place['id']}").body)["state"] == "AWAITED"


# ---- the page itself ---------------------------------------------------------------------------------------------


def test_the_page_may_send_to_the_bucket_and_nowhere_else(page: Page) -> None:
    """The policy names the very host of the form's address, and scripts come from the page alone."""
    shown = page.as_person(Role.OPERATOR, "GET", "/")

    host = urlsplit(placed(page)["upload"]["url"])
    policy = shown.headers["content-security-policy"]
    assert f"connect-src 'self' {host.scheme}://{host.netloc};" in policy
    assert "script-src 'self';" in policy
    assert f'data-most-bytes="{Limits().max_bytes}"' in shown.text
    assert "data-ask" in shown.text
    assert "data-most-bytes" not in page.as_person(Role.VIEWER, "GET", "/").text


def test_what_arrives_is_told_to_a_page_that_asks_again(page: Page) -> None:
    """No stream comes through API Gateway: who asks gets the cards of what has just ended."""
    version = page.s3.put_object(Bucket=BUCKET, Key="uploads/page/new.jpg", Body=PHOTO)["VersionId"]
    page.record("uploads/page/new.jpg", version, Outcome.NEEDS_REVIEW, inferences=[0.5, 0.1], confidence=0.5)

    deadline = time.monotonic() + 30
    while "new.jpg" not in (told := page.as_person(Role.VIEWER, "GET", "/arrivals").text):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert "for a person" in json.loads(told)["cards"][0]["html"]


def test_a_reviewer_s_word_waits_in_the_browser_and_is_taken_before_the_answer(page: Page) -> None:
    """The function sleeps between two requests, so that nothing can wait in it; the name is the one signed in with."""
    version = page.s3.put_object(Bucket=BUCKET, Key="uploads/page/asked.jpg", Body=PHOTO)["VersionId"]
    page.record("uploads/page/asked.jpg", version, Outcome.NEEDS_REVIEW, inferences=[0.5, 0.1], confidence=0.5)
    named = {"bucket": BUCKET, "key": "uploads/page/asked.jpg", "version": version, "label": "bicycle"}

    def ask(action: str, path: str = "/review", **changed: str) -> Answer:
        body = urlencode({**named, "action": action, **changed}).encode()
        return page.as_person(Role.REVIEWER, "POST", path, body=body, headers={"accept": "text/plain"})

    def recorded() -> dict[str, Any]:
        key = {"object": {"S": f"{BUCKET}/uploads/page/asked.jpg"}, "version_id": {"S": version}}
        return dict(page.dynamodb.get_item(TableName=TABLE, Key=key)["Item"])

    assert "uploads/page/asked.jpg" not in ask("aside").text
    assert "reviewed_label" not in recorded()
    assert "uploads/page/asked.jpg" in ask("undo").text
    for _ in range(2):
        taken = ask("decide")
        assert (taken.status, taken.text[:30]) == (200, "bicycle: recorded and announce")

    assert [recorded()[name]["S"] for name in ("reviewed_by", "decided_by", "label")] == [
        "ada@example.com", "human", "bicycle",
    ]  # fmt: skip
    assert ask("decide", label="banana").status == 409
    assert ask("", "/photo/correct", label="motorcycle", stood="neither").status == 409
    assert ask("", "/photo/correct", label="motorcycle", stood="bicycle").text.startswith("motorcycle: corrected")


def test_a_viewer_sees_how_the_model_does(page: Page) -> None:
    """Its answers by threshold, the last check for drift, the alarms with their runbooks; no report and no bill."""
    checked = {"words": "The pictures look as ever.", "drifted": False, "silent": False, "records": 1234}
    window = {"from": "2026-11-28T00:00:00.000Z", "to": "2026-11-29T00:00:00.000Z"}
    body = json.dumps({**checked, "window": window, "coverage": 0.71, "coverage_before": 0.8, "baseline_version": "b"})
    page.s3.put_object(Bucket=MODELS, Key="monitoring/vehiclevision/2026/11/29/00/check.json", Body=body)
    alarm = {"MetricName": "m", "Namespace": "n", "Period": 60, "Threshold": 1, "EvaluationPeriods": 1}
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName="vehiclevision-lost", AlarmDescription="It rings. Runbook docs/runbooks/drift.md", Statistic="Sum",
        ComparisonOperator="GreaterThanThreshold", **cast("Any", alarm),
    )  # fmt: skip

    told = page.as_person(Role.VIEWER, "GET", "/model").text

    for words in ("The pictures look as ever.", "no drift", "1,234 answers", "71.0 %", "There is no endpoint",
                  "What another threshold would do", "vehiclevision-lost", 'href="/runbook/drift"'):  # fmt: skip
        assert words in told
    assert "What this month costs" not in told
    assert "What it means" in page.as_person(Role.VIEWER, "GET", "/runbook/drift").text
    compared = page.as_person(Role.VIEWER, "GET", "/model/compare").text
    assert "There is no endpoint" in compared


def registered(page: Page, name: str, threshold: float) -> Version:
    """The shipped model, registered and approved under another name and with another threshold."""
    members = read_members(DEFAULT_MODEL)
    manifest = {**json.loads(members["manifest.json"]), "version": name, "threshold": threshold}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.tar.gz"
        write_artefact(Artefact(members["model.onnx"], manifest), file)
        content = file.read_bytes()
    page.s3.put_object(Bucket=MODELS, Key=f"models/{name}/model.tar.gz", Body=content)
    digest = hashlib.sha256(content).hexdigest()
    url = f"s3://{MODELS}/models/{name}/model.tar.gz"
    aws = aws_of(page.application)
    candidate = Candidate(OWN, "image", url, digest, threshold=threshold, model_version=name)
    version = registry.register(aws, candidate)
    # moto forgets the properties that an approval does not repeat.
    aws.client("sagemaker").update_model_package(
        ModelPackageArn=version.arn,
        ModelApprovalStatus=registry.APPROVED,
        CustomerMetadataProperties=registry.properties(candidate),
    )
    return version


def test_the_function_compares_two_versions_and_asks_only_what_its_role_allows(page: Page, root: Path) -> None:
    """Both run in it, read from the bucket of models, on what people have decided; so does the tint of an older one."""
    registered(page, "strict", 0.999)
    now = registered(page, "answers", 0.6)
    sagemaker = boto3.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/serving"
    container = {"ModelPackageName": now.arn}
    sagemaker.create_model(ModelName="vehiclevision-v2", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {"VariantName": "AllTraffic", "ModelName": "vehiclevision-v2", "InitialInstanceCount": 1}
    variants: Any = [{**variant, "InstanceType": "ml.m5.large"}]
    sagemaker.create_endpoint_config(EndpointConfigName="vehiclevision-v2-1", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="vehiclevision", EndpointConfigName="vehiclevision-v2-1")
    version = page.s3.put_object(Bucket=BUCKET, Key="uploads/page/told.jpg", Body=PHOTO)["VersionId"]
    said = {"inferences": [0.9, 0.1], "confidence": 0.9, "label": "bicycle", "reviewed_label": "bicycle"}
    page.record("uploads/page/told.jpg", version, Outcome.CLASSIFIED, model_version="strict", **said)
    asked: set[str] = set()
    for service in ("sagemaker", "cloudwatch"):
        page.application.client(service).meta.events.register(
            "before-call", lambda model, **_: asked.add(f"{model.service_model.service_name}:{model.name}")
        )
    fresh = replace(page, call=page.begun())
    photo = {"key": "uploads/page/told.jpg", "version": version}
    looked = {**photo, "as": "looked", "label": "bicycle", "model": "strict"}

    told = fresh.as_person(Role.VIEWER, "GET", "/model").text
    compared = fresh.as_person(Role.VIEWER, "GET", "/model/compare").text
    story = fresh.as_person(Role.VIEWER, "GET", "/photo", query=urlencode(photo)).text
    tinted = fresh.as_person(Role.VIEWER, "GET", "/picture", query=urlencode(looked))

    assert 'href="/model/compare"' in told
    assert "2, answers now" in compared
    assert "1, before" in compared
    assert "Tinted where it saw a bicycle" in story
    assert tinted.status == 200
    template = (root / "console/template.yaml").read_text("utf-8")
    assert len(asked) > 5
    assert [each for each in asked if each not in template] == []


def test_where_the_model_looked_is_shown_of_a_model_that_is_known_and_of_no_other(page: Page) -> None:
    """The function runs the model that ships, or one that is registered: the endpoint is not asked again."""
    shipped = load_model(DEFAULT_MODEL).manifest.version
    for name, model in (("ours", shipped), ("another", "0123456789ab")):
        key = f"uploads/page/{name}.jpg"
        version = page.s3.put_object(Bucket=BUCKET, Key=key, Body=PHOTO)["VersionId"]
        said = {"inferences": [0.9, 0.1], "confidence": 0.9, "label": "bicycle", "route": "nearby"}
        page.record(key, version, Outcome.CLASSIFIED, model_version=model, **said)
        photo = {"key": key, "version": version}
        looked = {**photo, "as": "looked", "label": "bicycle", "model": model}

        story = page.as_person(Role.VIEWER, "GET", "/photo", query=urlencode(photo)).text
        picture = page.as_person(Role.VIEWER, "GET", "/picture", query=urlencode(looked))

        assert ("Tinted where it saw a bicycle" in story) is (model == shipped)
        assert picture.status == (200 if model == shipped else 409)


def test_a_key_makes_no_formula_wherever_a_spreadsheet_cuts_it(page: Page) -> None:
    """Where a comma is for decimals, a spreadsheet cuts at semicolons, and a cell of a key could begin there."""
    page.record("uploads/formula;=1+1;\t@SUM(1).jpg", "v1", Outcome.REJECTED)

    rows = page.as_person(Role.VIEWER, "GET", "/photos.csv", query="text=formula").text.splitlines()

    cells = [cell for row in rows for part in row.split(";") for cell in part.split("\t")]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_a_form_of_many_fields_gets_an_answer(page: Page) -> None:
    """However short they are."""
    answered = page.as_person(Role.OPERATOR, "POST", "/review", body=b"&" * 100)

    assert (answered.status, "larger than any on this page" in answered.text) == (409, True)


def test_a_page_number_of_any_length_gets_an_answer(page: Page) -> None:
    """Python makes no number of more than 4,300 digits."""
    assert page.as_person(Role.VIEWER, "GET", "/", query=f"page={'9' * 5000}").status == 200


def test_a_photo_is_shown_as_the_gate_decoded_it(page: Page) -> None:
    """The function answers with a JPEG made anew, which is not the one that was uploaded."""
    version = page.s3.put_object(Bucket=BUCKET, Key="uploads/page/shown.jpg", Body=PHOTO)["VersionId"]

    shown = page.as_person(Role.VIEWER, "GET", "/picture", query=f"key=uploads%2Fpage%2Fshown.jpg&version={version}")

    assert (shown.status, shown.headers["content-type"], shown.body[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert shown.body != PHOTO


def test_a_photo_of_a_backfill_is_shown_and_nothing_else_of_its_bucket(page: Page) -> None:
    """It lay elsewhere before, and has a record; what has none is not read, whoever names it."""
    page.s3.create_bucket(Bucket="of-before")
    for key in ("2019/rider.jpg", "2019/other.jpg", "uploads/other.jpg"):
        page.s3.put_object(Bucket="of-before", Key=key, Body=PHOTO)
    identity = {"object": "of-before/2019/rider.jpg", "s3_bucket": "of-before"}
    page.record("2019/rider.jpg", "null", Outcome.NEEDS_REVIEW, **identity)

    def asked(path: str, key: str) -> int:
        photo = urlencode({"bucket": "of-before", "key": key, "version": "null"})
        return page.as_person(Role.VIEWER, "GET", path, query=photo).status

    page.record("uploads/own.jpg", "1", Outcome.NEEDS_REVIEW)
    of_before = {"bucket": "of-before", "key": "2019/rider.jpg", "version": "null"}
    own = {"key": "uploads/own.jpg", "version": "1"}
    pages = [page.as_person(Role.VIEWER, "GET", "/photo", query=urlencode(photo)).text for photo in (of_before, own)]

    assert ["<dd><code>of-before</code></dd>" in text for text in pages] == [True, False]
    assert [asked(path, "2019/rider.jpg") for path in ("/photo", "/picture", "/photo/run")] == [200, 200, 200]
    assert [asked("/picture", key) for key in ("2019/other.jpg", "uploads/other.jpg")] == [404, 404]


def test_what_the_function_may_not_read_is_put_up_for_nobody(page: Page) -> None:
    """Its role reads uploads alone: a reviewer is told how many wait elsewhere, and where they are decided."""
    answered = {"inferences": [0.4, 0.2], "confidence": 0.4, "model_version": "0123456789ab"}
    elsewhere = {"object": "of-before/2019/unsure.jpg", "s3_bucket": "of-before"}
    page.record("2019/unsure.jpg", "null", Outcome.NEEDS_REVIEW, **answered, **elsewhere)
    fresh = replace(page, call=page.begun())

    seated = {SESSION: token(claims(Role.REVIEWER)), "vehiclevision-seat": "by-the-window"}
    review = fresh.ask("GET", "/review", headers={"accept": "text/html"}, cookies=seated).text

    assert "1 more lies where this page may not read" in review
    assert "vehiclevision review --stack vehiclevision" in review
    assert "2019/unsure.jpg" not in review


def test_the_interface_can_be_read_by_people_and_by_programs(page: Page) -> None:
    """Both say the same of every address of systems; the page names no other host than its own and the token's."""
    described = json.loads(page.ask("GET", "/openapi.json").body)
    shown = page.ask("GET", "/docs")

    operations = {
        f"{method.upper()} {path}": operation["security"][0]["token"][0]
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert operations == {f"{each.method} {each.path}": each.scope for each in SHARED_ADDRESSES if each.scope}
    scopes = described["components"]["securitySchemes"]["token"]["flows"]["clientCredentials"]["scopes"]
    assert set(scopes) == set(operations.values())
    assert described["openapi"].startswith("3.1")
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert all(name in shown.text for name in schema["properties"])
    hosts = {urlsplit(each).netloc for each in re.findall(r"https?://[^\s\"'<]+", shown.text)}
    assert hosts == {urlsplit(PAGE).netloc, urlsplit(SIGN_IN).netloc}
    assert shown.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": {}},
        {"cookies": ["=", ";;;", f"{SESSION}", f"{SESSION}={'x' * 9000}", "ü=ä"]},
        {"rawQueryString": "%ff%fe&&&==&page=99999999999999999999&since=%00"},
        {"requestContext": {**event("GET", "/")["requestContext"], "authorizer": {"jwt": None}}},
        {"requestContext": {**event("GET", "/")["requestContext"], "authorizer": "jwt"}},
    ],
)  # fmt: skip
def test_an_odd_request_gets_an_answer(page: Page, changed: dict[str, Any]) -> None:
    """Whatever comes instead of a header, a cookie, a query or an authorizer, nobody comes in and nothing breaks."""
    for path in ("/", "/photos/x"):
        odd = {**event("GET", path), **changed}
        if "requestContext" in changed:
            odd["requestContext"]["http"]["path"] = path
        assert answer(page.call(odd, Context())).status == 401


@pytest.mark.usefixtures("page")
def test_the_function_s_own_handler_answers() -> None:
    """Imported as Lambda imports it, with settings from the environment, it gives a partner a form."""
    handler = importlib.import_module("serve_page.app").lambda_handler
    said = {"client_id": SYSTEM, "scope": partner.SEND}

    given = answer(handler(event("POST", "/photos", body=b"{}", claims=said), Context()))

    assert given.status == 201
    assert json.loads(given.body)["upload"]["fields"]["key"].startswith(f"uploads/partner/{SYSTEM}/")
