"""One photo is erased wherever it lies, everything else stays, and a run that breaks off is finished by the next."""

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.commands import erase
from cli.errors import CommandError
from cli.target import Target
from erasing import traces
from erasing.captures import Folder
from erasing.traces import Application, Kind, Known
from monitoring.labels import digest_of, key_of
from reconciling import repair
from tests.unit.cli.answers import Called, known
from tests.unit.cli.conftest import called, command, deployed
from tests.unit.cli.recorded import put_record
from tests.unit.pictures import encoded, quarters
from vehiclevision.image_gate import PICTURE_SHA256, normalise
from vehiclevision.record import inference_id

# The deployed application in moto.
__all__ = ["called", "command", "deployed"]
KEY, OTHER = "uploads/rider.jpg", "uploads/rider.jpg.copy"
MINE, YOURS = encoded(quarters(96), "PNG"), encoded(quarters(64), "JPEG")
ELSEWHERE = encoded(quarters(80), "PNG")
HOUR = datetime.now(UTC)


class Bench:
    """The application in moto, with two photos in everything that can hold one."""

    def __init__(self, target: Target) -> None:
        self.target, self.s3 = target, target.client("s3")
        self.bucket = target.output("BucketName")
        self.s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
        self.parts = Application(
            s3=self.s3,
            sqs=target.client("sqs"),
            step_functions=target.client("stepfunctions"),
            dynamodb=target.client("dynamodb"),
            table=target.output("ResultsTableName"),
            bucket=self.bucket,
            queue_url=target.output("DeadLetterQueueUrl"),
            state_machine=target.output("StateMachineArn"),
            captured=(Folder("models", "capture/"), Folder("never-made", "capture/")),
            training=Folder("models", "training-data/reviewed/"),
        )
        self.versions = {key: self.fill(key, photo) for key, photo in ((KEY, MINE), (OTHER, YOURS))}

    def fill(self, key: str, photo: bytes) -> str:
        version = str(self.s3.put_object(Bucket=self.bucket, Key=key, Body=photo)["VersionId"])
        picture = normalise(photo).jpeg
        digest = digest_of(picture)
        put_record(self.target, key, version, measurements={"M": {PICTURE_SHA256: {"S": digest}}})
        for label in ("bicycle", "neither"):  # decided, and decided again
            self.s3.put_object(Bucket=self.bucket, Key=key_of(label, digest), Body=picture)
        self.s3.delete_object(Bucket=self.bucket, Key=key_of("bicycle", digest))
        self.s3.put_object(
            Bucket="models", Key=f"training-data/reviewed/run-1/reviewed/neither/{digest}.jpg", Body=picture
        )
        body = {"source": "aws.states", "detail": {"input": json.dumps({"s3_bucket": self.bucket, "s3_key": key})}}
        self.target.client("sqs").send_message(QueueUrl=self.parts.queue_url, MessageBody=json.dumps(body))
        return version

    def capture(self, name: str, *lines: bytes, packed: bool = False) -> None:
        content = b"".join(line + b"\n" for line in lines)
        self.s3.put_object(
            Bucket="models",
            Key=f"capture/vehicles/AllTraffic/{HOUR:%Y/%m/%d/%H}/{name}",
            Body=gzip.compress(content) if packed else content,
        )

    def captured(self, name: str) -> bytes | None:
        key = f"capture/vehicles/AllTraffic/{HOUR:%Y/%m/%d/%H}/{name}"
        try:
            content: bytes = self.s3.get_object(Bucket="models", Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return content

    def look(self, key: str = KEY) -> list[traces.Trace]:
        return traces.find(self.parts, Known(self.bucket, key))


def line(picture: bytes, name: str = "", answer: str = "[0.93, 0.02]", at: datetime = HOUR) -> bytes:
    """A captured request as SageMaker writes it."""
    sides = {
        "endpointInput": {
            "observedContentType": "image/jpeg",
            "mode": "INPUT",
            "data": base64.b64encode(picture).decode(),
            "encoding": "BASE64",
        },
        "endpointOutput": {"observedContentType": "application/json", "data": answer, "encoding": "JSON"},
    }
    metadata = {"eventId": "e", "inferenceTime": f"{at:%Y-%m-%dT%H:%M:%SZ}", "inferenceId": name}
    return json.dumps({"captureData": sides, "eventMetadata": metadata}).encode()


@pytest.fixture
def bench(deployed: Target) -> Iterator[Bench]:
    yield Bench(deployed)


def names(found: list[traces.Trace]) -> list[str]:
    return sorted(trace.kind for trace in found)


def test_a_photo_goes_from_everywhere_and_its_neighbour_stays(bench: Bench) -> None:
    """Versions, markers, record, letter, reviewed and training pictures: none is left. The other photo has its."""
    bench.s3.delete_object(Bucket=bench.bucket, Key=KEY)
    bench.s3.create_multipart_upload(Bucket=bench.bucket, Key=KEY)
    photo = Known(bench.bucket, KEY)
    before, found = bench.look(OTHER), traces.find(bench.parts, photo)

    erased = list(traces.erase(found))

    assert (
        names(found)
        == names(erased)
        == sorted([*[Kind.VERSION] * 2, Kind.RECORD, Kind.LETTERS, *[Kind.REVIEWED] * 3, Kind.TRAINING, Kind.UPLOAD])
    )
    assert traces.find(bench.parts, photo) == []
    assert bench.look(OTHER) == before != []


def test_captured_requests_lose_its_lines_and_keep_the_others(bench: Bench) -> None:
    """Told by the id or by the picture; a file that held nothing else goes, also from the bucket's old versions."""
    mine, yours = normalise(MINE).jpeg, normalise(YOURS).jpeg
    by_id = line(b"\xff\xd8\xff drawn by an older gate", inference_id(bench.bucket, KEY, bench.versions[KEY]))
    bench.capture("both.jsonl", line(yours), line(mine), by_id, b"no JSON at all")
    bench.capture("packed.jsonl.gz", line(mine), line(yours), packed=True)
    bench.capture("mine.jsonl", line(mine))
    bench.capture("yours.jsonl", line(yours))
    bench.capture("expired.jsonl", line(mine))
    bench.s3.delete_object(Bucket="models", Key=f"capture/vehicles/AllTraffic/{HOUR:%Y/%m/%d/%H}/expired.jsonl")
    photo = Known(bench.bucket, KEY)

    list(traces.erase(traces.find(bench.parts, photo)))

    assert traces.find(bench.parts, photo) == []
    assert bench.captured("both.jsonl") == line(yours) + b"\nno JSON at all\n"
    assert gzip.decompress(bench.captured("packed.jsonl.gz") or b"") == line(yours) + b"\n"
    assert bench.captured("mine.jsonl") is None
    assert bench.captured("yours.jsonl") == line(yours) + b"\n"
    versions = bench.s3.list_object_versions(Bucket="models", Prefix="capture/")["Versions"]
    assert len(versions) == 3


def test_a_photo_of_a_release_without_ids_is_told_by_its_answer_at_its_time(bench: Bench) -> None:
    """The same answer within the run's time is the photo's; the same at another time is somebody else's."""
    moment = f"{HOUR:%Y-%m-%dT%H:%M:%S}"
    begun: dict[str, Any] = {"started_at": {"S": f"{moment}.000Z"}, "recorded_at": {"S": f"{moment}.900Z"}}
    put_record(bench.target, KEY, "gone", measurements={"NULL": True}, **begun)
    then = HOUR.replace(minute=(HOUR.minute + 30) % 60)
    first, second, third = (b"\xff\xd8\xff drawn by an older gate" + each for each in (b"1", b"2", b"3"))
    bench.capture("a.jsonl", line(first), line(second, at=then), line(third, answer="[0.93, 0.03]"))
    photo = Known(bench.bucket, KEY)

    list(traces.erase(traces.find(bench.parts, photo)))

    assert bench.captured("a.jsonl") == line(second, at=then) + b"\n" + line(third, answer="[0.93, 0.03]") + b"\n"


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7])
def test_a_run_that_breaks_off_is_finished_by_the_next(bench: Bench, steps: int) -> None:
    """Whatever the last thing was that it removed: the next run, which remembers nothing, finds all that is left."""
    bench.capture("mine.jsonl", line(normalise(MINE).jpeg))
    photo = Known(bench.bucket, KEY)
    going = traces.erase(traces.find(bench.parts, photo))
    for _ in range(steps):
        next(going)
    del going

    anew = Known(bench.bucket, KEY)
    list(traces.erase(traces.find(bench.parts, anew)))

    assert traces.find(bench.parts, anew) == traces.find(bench.parts, photo) == []
    digest = digest_of(normalise(MINE).jpeg)
    for bucket in (bench.bucket, "models"):
        listed = bench.s3.list_object_versions(Bucket=bucket)
        entries = [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
        assert [each["Key"] for each in entries if digest in each["Key"] or each["Key"] == KEY] == []


def test_a_file_that_cannot_be_read_is_named_and_stays(bench: Bench) -> None:
    """Whether the photo is in it nobody can say, so it counts as left."""
    key = f"capture/vehicles/AllTraffic/{HOUR:%Y/%m/%d/%H}/torn.jsonl.gz"
    bench.s3.put_object(Bucket="models", Key=key, Body=gzip.compress(line(normalise(MINE).jpeg))[:-9])
    photo = Known(bench.bucket, KEY)

    erased = list(traces.erase(traces.find(bench.parts, photo)))

    assert Kind.UNREADABLE not in names(erased)
    assert names(traces.find(bench.parts, Known(bench.bucket, KEY))) == []
    assert names(traces.find(bench.parts, photo)) == [Kind.UNREADABLE]


def test_a_run_on_its_way_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the photo's own; what it writes is then found by the look that follows."""

    class States:
        """Two runs, of which ours ends when it is asked about the second time."""

        def __init__(self) -> None:
            self.asked: dict[str, int] = {}

        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, **_: Any) -> list[Any]:
            return [{"executions": [{"executionArn": name} for name in (KEY, OTHER) if self.asked.get(name, 0) < 3]}]

        def describe_execution(self, executionArn: str) -> Any:  # noqa: N803 - boto3's name
            self.asked[executionArn] = self.asked.get(executionArn, 0) + 1
            request = json.dumps({"s3_bucket": bench.bucket, "s3_key": executionArn})
            return {"status": "RUNNING" if self.asked[executionArn] < 3 else "SUCCEEDED", "input": request}

    monkeypatch.setattr(repair, "LOOK_EVERY_SECONDS", 0)
    object.__setattr__(bench.parts, "step_functions", States())
    photo = Known(bench.bucket, KEY)

    found = traces.find(bench.parts, photo)
    list(traces.erase(found))

    assert [trace.name for trace in found if trace.kind is Kind.RUN] == [KEY]
    assert traces.find(bench.parts, photo) == []


def test_somebody_elses_write_is_not_overwritten(bench: Bench) -> None:
    """A file that changed since it was read is left as it is, and found again."""
    mine, yours = normalise(MINE).jpeg, normalise(YOURS).jpeg
    bench.capture("both.jsonl", line(yours), line(mine))
    photo = Known(bench.bucket, KEY)
    (held,) = [trace for trace in traces.find(bench.parts, photo) if trace.kind is Kind.CAPTURES]
    bench.capture("both.jsonl", line(yours), line(mine), line(yours))

    with pytest.raises(ClientError, match="PreconditionFailed"):
        held.remove()  # type: ignore[misc]


def test_the_key_may_be_typed_without_its_folder(bench: Bench) -> None:
    """What is there under the very key counts first."""
    assert traces.meant(bench.parts, "rider.jpg") == Known(bench.bucket, KEY)
    bench.s3.put_object(Bucket=bench.bucket, Key="rider.jpg", Body=b"x")
    assert traces.meant(bench.parts, "rider.jpg") == Known(bench.bucket, "rider.jpg")
    assert traces.meant(bench.parts, f"s3://{bench.bucket}/{KEY}") == Known(bench.bucket, KEY)


def test_of_a_photo_of_another_bucket_all_goes_but_itself(bench: Bench) -> None:
    """A backfill went through it: its record, its captured requests and its pictures are the application's."""
    picture = normalise(ELSEWHERE).jpeg
    digest = digest_of(picture)
    bench.s3.create_bucket(Bucket="of-before", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    bench.s3.put_object(Bucket="of-before", Key="2019/rider.jpg", Body=ELSEWHERE)
    fields: dict[str, Any] = {"object": {"S": "of-before/2019/rider.jpg"}, "s3_bucket": {"S": "of-before"}}
    fields["measurements"] = {"M": {PICTURE_SHA256: {"S": digest}}}
    put_record(bench.target, "2019/rider.jpg", "null", **fields)
    bench.s3.put_object(Bucket=bench.bucket, Key=key_of("neither", digest), Body=picture)
    bench.capture("both.jsonl", line(picture), line(normalise(YOURS).jpeg))
    photo = traces.meant(bench.parts, "s3://of-before/2019/rider.jpg")

    found = traces.find(bench.parts, photo)
    assert [each.kind for each in found] == [Kind.CAPTURES, Kind.REVIEWED, Kind.RECORD]
    assert len(list(traces.erase(found))) == 3

    assert traces.find(bench.parts, photo) == []
    assert bench.s3.get_object(Bucket="of-before", Key="2019/rider.jpg")["Body"].read() == ELSEWHERE
    assert bench.captured("both.jsonl") == line(normalise(YOURS).jpeg) + b"\n"
    assert len(bench.look()) > 3


class Stack:
    """CloudFormation as far as the command asks it; moto's needs packages that are not installed."""

    def describe_stacks(self, **_: Any) -> Any:
        given = {"LogRetentionDays": "30", "EndpointName": "vehicles"}
        return {"Stacks": [{"Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()]}]}


class Deployed(Target):
    """The application in moto, with a stack."""

    def client(self, service: str) -> Any:
        return Stack() if service == "cloudformation" else super().client(service)


def test_the_command_lists_asks_and_looks_again(bench: Bench, called: Called) -> None:
    """With nobody there to agree nothing is erased. With --yes it is, the exit code is 0, and then nothing is there."""
    target = bench.target
    here = known(Deployed(target.stack, target.region, target.outputs, target.session))

    dry = called(lambda: erase.command(application=here, key="rider.jpg", dry_run=True))
    with pytest.raises(CommandError, match="Nobody can answer"):
        erase.command(application=here, key="rider.jpg")
    done = called(lambda: erase.command(application=here, key="rider.jpg", yes=True, as_json=True))
    again = called(lambda: erase.command(application=here, key="rider.jpg"))

    assert (dry.code, done.code, again.code) == (0, 0, 0)
    assert f"record: CLASSIFIED of version {bench.versions[KEY]}" in dry.out
    (facts,) = done.json_lines()
    assert (facts["key"], facts["left"], len(facts["found"])) == (KEY, [], len(facts["erased"]))
    assert "There is nothing of uploads/rider.jpg" in again.out


def test_what_cannot_be_erased_is_said_with_its_time() -> None:
    """In AWS the histories and the backup; on the local AWS the histories are erased."""
    said, here = (" ".join(erase.what_remains("30", in_aws=in_aws)) for in_aws in (True, False))

    assert "90 days" in said
    assert "35 days" in said
    assert "90 days" not in here


def test_captures_without_versions_lose_its_lines_and_keep_the_others(bench: Bench) -> None:
    """In a bucket that keeps no versions the file is written over: what was written is not what goes then."""
    bench.s3.create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    key, photo = f"capture/vehicles/AllTraffic/{HOUR:%Y/%m/%d/%H}/both.jsonl", Known(bench.bucket, KEY)
    mine, yours = (line(normalise(each).jpeg) + b"\n" for each in (MINE, YOURS))
    bench.s3.put_object(Bucket="plain", Key=key, Body=mine + yours)
    parts = replace(bench.parts, captured=(Folder("plain", "capture/"),))

    list(traces.erase(traces.find(parts, photo)))

    assert bench.s3.get_object(Bucket="plain", Key=key)["Body"].read() == yours


def test_a_photo_that_nobody_can_read_is_erased_all_the_same(bench: Bench) -> None:
    """Whoever uploads chooses where S3 keeps it: what lies in an archive is not read, and goes."""
    bench.s3.put_object(Bucket=bench.bucket, Key=KEY, Body=MINE, StorageClass="GLACIER")
    photo = Known(bench.bucket, KEY)

    list(traces.erase(traces.find(bench.parts, photo)))

    assert traces.find(bench.parts, photo) == []


@pytest.mark.parametrize("taken", ["uploads/", "capture/"])
def test_what_somebody_else_erases_meanwhile_is_no_fault(bench: Bench, taken: str) -> None:
    """A file that was listed and is gone when it is read holds nothing any more."""
    bench.capture("mine.jsonl", line(normalise(MINE).jpeg))
    bench.parts = replace(bench.parts, s3=Racing(bench.s3, taken))
    photo = Known(bench.bucket, KEY)

    list(traces.erase(traces.find(bench.parts, photo)))

    assert traces.find(bench.parts, photo) == []


class Racing:
    """S3, where somebody else takes a file away just before it is read."""

    def __init__(self, s3: Any, prefix: str) -> None:
        self.s3, self.prefix = s3, prefix

    def __getattr__(self, name: str) -> Any:
        return getattr(self.s3, name)

    def get_object(self, **asked: Any) -> Any:
        if asked["Key"].startswith(self.prefix):
            self.s3.delete_object(Bucket=asked["Bucket"], Key=asked["Key"], VersionId=asked["VersionId"])
        return self.s3.get_object(**asked)
