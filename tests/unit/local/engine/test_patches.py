"""The parts of the patches that need no engine."""

import base64
import contextvars
import hashlib
import json
import queue
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ministack.services import lambda_svc, stepfunctions

from local.engine.lambda_worker.runtime_client import END_OF_LOG
from local.engine.patches.iam import namespace_of, policy_pattern
from local.engine.patches.lambda_functions import Turns, hash_code_once, invoked_function, log_to_mark
from local.engine.patches.s3 import with_version
from local.engine.patches.stepfunctions import NOT_PLAIN, at_path, parse_once
from local.engine.process import refuse_other_versions
from local.engine.saving import passes_by


def test_another_version_of_ministack_is_refused() -> None:
    """The message names both versions and what to do."""
    with pytest.raises(SystemExit, match=r"9\.9\.9.*make setup"):
        refuse_other_versions("9.9.9")


def test_a_log_ends_at_its_mark() -> None:
    """Lines of the next invocation stay in the queue, and a line without its newline is kept."""
    lines: queue.Queue[str] = queue.Queue()
    for line in ("one", "two" + END_OF_LOG, "next"):
        lines.put(line)

    assert log_to_mark(lines, patience_seconds=1) == ["one", "two"]
    assert lines.get_nowait() == "next"


def test_a_log_without_a_mark_ends_with_the_patience() -> None:
    """A handler that ended the process has no mark; what it said is returned."""
    lines: queue.Queue[str] = queue.Queue()
    lines.put("last words")

    assert log_to_mark(lines, patience_seconds=0.05) == ["last words"]


def test_no_more_than_so_many_take_a_turn_at_a_time() -> None:
    """Twenty callers of one name never exceed three; another name is not held up."""
    turns = Turns(3)
    running, most = [], []

    def work() -> None:
        with turns.take("one"):
            running.append(1)
            most.append(len(running))
            time.sleep(0.01)
            running.pop()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    with turns.take("other"):
        pass
    for thread in threads:
        thread.join()

    assert len(most) == 20
    assert max(most) <= 3


def test_a_turn_within_a_turn_is_the_same_turn() -> None:
    """A state's time-out wraps the invocation; both together take one place."""
    turns = Turns(1)

    with turns.take("one"), turns.take("one"):
        pass


def test_a_turn_lasts_until_its_last_holder_leaves() -> None:
    """A state that gives up on its function does not make room while the function still runs."""
    turns = Turns(1)
    inner, may_end = threading.Event(), threading.Event()
    taken = threading.Event()

    def invocation() -> None:
        with turns.take("one"):
            inner.set()
            may_end.wait()

    with turns.take("one"):
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(invocation,)).start()
        inner.wait()

    def next_one() -> None:
        with turns.take("one"):
            taken.set()

    threading.Thread(target=next_one).start()
    early = taken.wait(0.1)
    may_end.set()

    assert not early
    assert taken.wait(2)


@pytest.mark.parametrize(
    ("resource", "arguments", "name"),
    [
        ("arn:aws:states:::lambda:invoke", {"FunctionName": "arn:aws:lambda:r:1:function:f:live"}, "f"),
        ("arn:aws:states:::lambda:invoke", {"FunctionName": "f"}, "f"),
        ("arn:aws:lambda:r:1:function:f", {}, "f"),
        ("arn:aws:states:::dynamodb:putItem", {"TableName": "t"}, ""),
    ],
)
def test_the_function_of_a_task_is_known(resource: str, arguments: dict[str, str], name: str) -> None:
    """Both ways of calling a function give its name; other tasks give none."""
    assert invoked_function(resource, arguments) == name


def test_an_event_gets_its_version() -> None:
    """The version stands where AWS puts it, and the rest is as it was."""
    detail = with_version(json.dumps({"object": {"key": "a+b%41"}, "reason": "PutObject"}), "v1")

    assert json.loads(detail) == {"object": {"key": "a+b%41", "version-id": "v1"}, "reason": "PutObject"}


@pytest.mark.parametrize(
    ("pattern", "value", "ignore_case", "matches"),
    [
        ("arn:bucket/*", "arn:bucket/uploads/line\nbreak", False, True),
        ("arn:bucket/a?b", "arn:bucket/a\nb", False, True),
        ("arn:bucket/a", "arn:bucket/a\n", False, False),
        ("arn:bucket/[a]*", "arn:bucket/a", False, False),
        ("arn:Bucket/*", "arn:bucket/a", False, False),
        ("s3:get*", "s3:GetObject", True, True),
        ("s3:Get", "s3:GetObject", True, False),
    ],
)
def test_a_policy_pattern_matches_whole_values(pattern: str, value: str, ignore_case: bool, matches: bool) -> None:
    """A star stands for any characters, a line break among them, and all else for itself."""
    assert bool(policy_pattern(pattern, ignore_case).match(value)) is matches


@pytest.mark.parametrize(
    ("body", "namespace"),
    [
        (b'{"Namespace": "VehicleVision", "MetricData": []}', "VehicleVision"),
        (b"Action=PutMetricData&Namespace=AWS%2FLambda&Version=2010-08-01", "AWS/Lambda"),
        (b'{"MetricData": []}', ""),
        (b"{broken", ""),
        (b"\xff\xfe", ""),
        (b"", ""),
    ],
)
def test_a_metric_names_its_namespace(body: bytes, namespace: str) -> None:
    """In JSON or in a query; a body that cannot be read names none, and no policy allows that."""
    assert namespace_of(body) == namespace


READ = {
    "$a": "text",
    "$b": {"c": 0.1, "d": {"e": False, "none": None}, "l": [{"x": 1}], "z": 0, "empty": []},
    "$b.c": 0.1,
    "$b.d.e": False,
    "$b.d.none": None,
    "$b.empty": [],
    "$b.l": [{"x": 1}],
    "$b.z": 0,
    "$n": None,
    "$states.input": {"x": "x"},
    "$states.input.x": "x",
    "$states.result": None,
    "$states.context.Execution.Id": "id",
}
LEFT = ("$gone", "$b.gone.x", "$b.l.x", "$count($b.l)", "$a & $a", "$b.`c`", "a", "$$.a", "$made")
MADE = stepfunctions.jsonata.utils.Utils.create_sequence(1)
CONTEXT: dict[str, Any] = {
    "variables": {"a": "text", "b": READ["$b"], "n": None, "made": MADE},
    "Execution": {"Id": "id"},
}


@pytest.mark.parametrize("expression", [*READ, *LEFT])
def test_a_plain_path_says_what_jsonata_says(expression: str) -> None:
    """Through objects alone; whatever else there is, is left to JSONata."""
    states = {"input": {"x": "x"}, "context": CONTEXT, "result": None}

    assert at_path(expression, {**CONTEXT["variables"], "states": states}) == READ.get(expression, NOT_PLAIN)
    if expression in READ:
        assert stepfunctions._evaluate_jsonata(expression, {"x": "x"}, CONTEXT) == READ[expression]


def test_an_expression_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniStack parses it for each evaluation; what it says is the same, also where it cannot be parsed."""
    parser = stepfunctions.jsonata.parser.Parser
    parsed: list[str] = []
    plain = parser.parse

    def parse_and_note(self: Any, expression: str, engine: Any) -> Any:
        parsed.append(expression)
        return plain(self, expression, engine)

    monkeypatch.setattr(parser, "parse", parse_and_note)

    def evaluate() -> object:
        return stepfunctions._evaluate_jsonata("$a & '!'", None, CONTEXT)

    assert [evaluate(), evaluate()] == ["text!", "text!"]
    assert len(parsed) == 2

    parse_once()
    assert [evaluate(), evaluate()] == ["text!", "text!"]
    assert len(parsed) == 3
    for _ in range(2):
        with pytest.raises(stepfunctions._ExecutionError, match="S0"):
            stepfunctions._evaluate_jsonata("$a &", None, CONTEXT)


def test_a_function_s_code_is_hashed_for_the_first_save_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniStack hashes it for each save; what is saved is the same, also when the code on the disk is gone."""
    written: list[bytes] = []
    write = lambda_svc._write_code_blob

    def write_and_note(code: bytes) -> str:
        written.append(code)
        return str(write(code))

    monkeypatch.setattr(lambda_svc, "CODE_BLOB_DIR", str(tmp_path))
    monkeypatch.setattr(lambda_svc, "_write_code_blob", write_and_note)
    monkeypatch.setattr(lambda_svc, "_externalize_code_zip", lambda_svc._externalize_code_zip)
    digest = hashlib.sha256(b"code")
    saved: list[object] = []

    def save() -> None:
        record = {"config": {"CodeSha256": base64.b64encode(digest.digest()).decode()}, "code_zip": b"code"}
        referenced: set[str] = set()
        lambda_svc._externalize_code_zip(record, referenced)
        saved.append((record["code_zip"], referenced))

    save()
    save()
    assert len(written) == 2

    hash_code_once()
    save()
    assert len(written) == 2
    blob = tmp_path / f"{digest.hexdigest()}.zip"
    blob.unlink()
    save()
    assert (len(written), blob.read_bytes()) == (3, b"code")
    assert saved == [({"code_blob_ref": digest.hexdigest()}, {digest.hexdigest()})] * 4


@pytest.mark.parametrize(
    ("path", "query", "service", "passes"),
    [
        ("/bucket/uploads/a.jpg", "", "s3", True),
        ("/endpoints/vehiclevision/invocations", "", "sagemaker", True),
        ("/bucket", "", "s3", False),
        ("/bucket/", "", "s3", False),
        ("/bucket/a.jpg", "tagging", "s3", False),
        ("/2015-03-31/functions", "", "lambda", False),
        ("/", "", "dynamodb", False),
    ],
)
def test_what_each_photo_asks_is_no_reason_to_save_all(path: str, query: str, service: str, passes: bool) -> None:
    """Objects and answers of an endpoint are kept elsewhere; anything else may have changed what is saved."""
    signature = f"AWS4-HMAC-SHA256 Credential=key/20261129/us-east-1/{service}/aws4_request, Signature=0"
    headers = [(b"authorization", signature.encode())]

    assert passes_by({"raw_path": path.encode(), "query_string": query.encode(), "headers": headers}) is passes
