"""The page's own application on the local AWS, as a partner's system uses it: a token, a form, a photo, its answer.

What the local AWS does not carry: Cognito's managed login (its plainer pages are there), and people's cookies, whose
keys the function would read from Cognito's own address. tests/unit/console asks as people.
"""

import json
import time
import urllib.parse
import uuid
from typing import Any

import pytest
import requests
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cli import samples
from tests.workflow.driver import Application
from tests.workflow.test_monitoring import command_on

BICYCLE = next(sample.content for sample in samples.of() if sample.label == "bicycle")
PATIENCE_SECONDS = 120.0


def token(application: Application, pool: str, client: str, scope: str) -> str:
    """A token of the partner's system, from the token endpoint of the user pool."""
    cognito = application.client("cognito-idp")
    described = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"]
    form = {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_secret": described["ClientSecret"],
        "scope": scope,
    }
    body = urllib.parse.urlencode(form)
    url = f"{application.aws.engine_url}/oauth2/token"
    # The local AWS's own door wants every request signed, this one too.
    request = AWSRequest("POST", url, {"content-type": "application/x-www-form-urlencoded"}, body)
    SigV4Auth(credentials(application), "cognito-idp", application.aws.region).add_auth(request)
    answer = requests.post(url, data=body, headers=dict(request.headers), timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def credentials(application: Application) -> Credentials:
    """Those of the person whose local AWS it is."""
    own = application.aws.credentials
    return Credentials(own.access_key_id, own.secret_access_key)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_partner_s_photo_goes_there_and_its_answer_comes_back(application: Application) -> None:
    """The template as it is deployed: gateway, authorizer, function with its role, form, workflow, answer."""
    with command_on(application) as run:
        outputs = run("share")["outputs"]
    api = urllib.parse.urlsplit(outputs["PageAddress"]).netloc.partition(".")[0]
    base = f"{application.aws.engine_url}/_aws/execute-api/{api}"
    pool, client = outputs["UserPoolId"], outputs["PartnerClientId"]
    sender = {"authorization": f"Bearer {token(application, pool, client, 'photos/send')}"}
    reader = {"authorization": f"Bearer {token(application, pool, client, 'photos/read')}"}

    def ask(method: str, path: str, headers: dict[str, str], **more: Any) -> requests.Response:
        return requests.request(method, f"{base}{path}", headers=headers, timeout=60, **more)

    assert ask("POST", "/photos", {}).status_code == 401
    assert ask("POST", "/photos", {"authorization": "Bearer a.b.c"}).status_code == 401
    assert ask("POST", "/photos", reader).status_code == 403
    assert ask("GET", "/", {}).status_code == 401
    assert ask("GET", "/docs", {"accept": "text/html"}).status_code == 200
    placed = ask("POST", "/photos", sender, data=json.dumps({"name": "rider.jpg"}))
    assert placed.status_code == 201, placed.text
    place = placed.json()
    awaited = ask("GET", f"/photos/{place['id']}", reader).json()
    assert awaited["state"] == "AWAITED"

    assert send(application, place, b"x" * (place["max_bytes"] + 1)) == 400
    assert send(application, {**place, "upload": altered(place["upload"])}, BICYCLE) == 403
    assert send(application, place, BICYCLE) == 204

    deadline = time.monotonic() + PATIENCE_SECONDS
    seen = []
    while (told := ask("GET", f"/photos/{place['id']}", reader).json())["stage"] != "announced":
        assert time.monotonic() < deadline, told
        seen.append(told["state"])
        time.sleep(0.2)
    assert (told["state"], told["outcome"], told["label"], told["route"]) == (
        "ENDED", "CLASSIFIED", "bicycle", "nearby",
    )  # fmt: skip
    assert set(seen) <= {"ON_ITS_WAY", "ENDED"}
    assert ask("GET", f"/photos/{'A' * 22}", reader).json()["state"] == "AWAITED"


def altered(upload: dict[str, Any]) -> dict[str, Any]:
    """The same form, for another key than it was made for."""
    return {**upload, "fields": {**upload["fields"], "key": f"uploads/{uuid.uuid4()}.jpg"}}


def send(application: Application, place: dict[str, Any], content: bytes) -> int:
    """Send the form that the answer describes; what S3 says to it."""
    upload = place["upload"]
    # As above: here the form's own signature is not enough.
    request = AWSRequest("POST", upload["url"])
    S3SigV4QueryAuth(credentials(application), "s3", application.aws.region, expires=60).add_auth(request)
    files = {"file": ("rider.jpg", content)}
    return requests.post(str(request.url), data=upload["fields"], files=files, timeout=60).status_code
