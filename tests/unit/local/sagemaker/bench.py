"""A control plane on a port of its own, beside a bare AWS engine: no application, no SAM."""

import contextlib
import functools
import io
import json
import os
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from local import processes
from local.engine import process as engine
from local.processes import write_atomically
from local.sagemaker import servers
from local.sagemaker.control.protocol import problems
from local.sagemaker.control.server import Control
from local.sagemaker.control.settings import Settings
from tests.unit.local.keys import KEY, give_key

QUICK = Settings(speed=2000, stop_seconds=1.0, jobs_at_a_time=4)
ROLE = "arn:aws:iam::000000000000:role/sagemaker"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312-ubuntu22.04-sagemaker"
SERVING_IMAGE = IMAGE.replace("training", "inference")
BUCKET = "models"
PATIENCE_SECONDS = 60.0


@functools.cache
def client(service: str, url: str) -> Any:
    """A boto3 client that asks once, and takes no answer that botocore's model of the service does not allow."""
    session: Any = boto3.session.Session(KEY.access_key_id, KEY.secret_access_key, region_name="us-east-1")
    found = session.client(service, endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))
    if service == "sagemaker":
        found.meta.events.register("after-call.sagemaker.*", check_answer)
    return found


def check_answer(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Required members, types and no member that the model does not know."""
    if http_response.status_code >= 300 or model.output_shape is None:
        return
    answer = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
    report = ParamValidator().validate(answer, model.output_shape)
    assert not report.has_errors(), report.generate_report()
    sent = json.loads(http_response.content or b"{}")
    assert set(sent) <= set(model.output_shape.members), sent
    assert list(problems(_epochs(answer), model.output_shape, "")) == []


def _epochs(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {name: _epochs(each) for name, each in value.items()}
    return [_epochs(each) for each in value] if isinstance(value, list) else value


@contextlib.contextmanager
def bare_engine(directory: Path) -> Iterator[str]:
    """S3, CloudWatch and the rest, in a process that ends with this one."""
    give_key(directory)
    try:
        yield engine.server(directory).launch().ready()
    finally:
        engine.server(directory).stop()


def point_at(directory: Path, engine_url: str) -> None:
    """Let the control plane of a state folder find this engine."""
    give_key(directory)
    record = engine.server(directory).record
    write_atomically(record, json.dumps({"port": int(engine_url.rsplit(":", 1)[1])}))


@contextlib.contextmanager
def control_plane(directory: Path, settings: Settings = QUICK) -> Iterator[str]:
    """The service on a free port, in this process."""
    config = uvicorn.Config(
        Control(directory, settings), host="127.0.0.1", port=0, log_level="warning", lifespan="off", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


def wait_for(condition: Callable[[], Any], patience_seconds: float = PATIENCE_SECONDS) -> Any:
    """What the condition answers once it is true."""
    deadline = time.monotonic() + patience_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return found


def kill(directory: Path) -> None:
    """Kill -9 the control plane of a state folder; returns when it is gone."""
    server = servers.control(directory)
    os.kill(json.loads(server.record.read_text())["pid"], signal.SIGKILL)
    wait_for(lambda: not processes.is_alive(server))


def archive(files: dict[str, str | bytes]) -> bytes:
    """A .tar.gz of plain files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def training_request(name: str, source: str, **changes: Any) -> dict[str, Any]:
    """A script-mode job as the SDK would write it."""
    request = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": {
            "sagemaker_program": json.dumps("train.py"),
            "sagemaker_submit_directory": json.dumps(source),
            **changes.pop("parameters", {}),
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    return {**request, **changes}


@contextlib.contextmanager
def refused(code: str, *words: str) -> Iterator[None]:
    """The call within is refused with this code, in a message with these words."""
    try:
        yield
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, found
        assert all(word in found["Message"] for word in words), found
    else:
        raise AssertionError("it was not refused")


@dataclass
class Plane:
    """A running control plane with the engine beside it."""

    url: str
    engine_url: str
    directory: Path

    @property
    def sagemaker(self) -> Any:
        return client("sagemaker", self.url)

    @property
    def s3(self) -> Any:
        return client("s3", self.engine_url)

    def put(self, key: str, data: bytes) -> str:
        """An object in the bucket; its address."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        """An object of the bucket."""
        return bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        """The keys under a prefix."""
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    def holds(self, start: str) -> bool:
        """Whether any folder or file below the plane's own has such a name; folders may vanish meanwhile."""
        return any(name.startswith(start) for _, *found in os.walk(self.directory) for names in found for name in names)

    def program(self, name: str, source: str, **more: str | bytes) -> str:
        """A source archive with this train.py; its address."""
        return self.put(f"source/{name}/sourcedir.tar.gz", archive({"train.py": source, **more}))

    def job(self, name: str) -> dict[str, Any]:
        """A training job as it is."""
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def ended(self, name: str) -> dict[str, Any]:
        """A training job once it has ended."""
        done = ("Completed", "Failed", "Stopped")
        return dict(wait_for(lambda: (job := self.job(name))["TrainingJobStatus"] in done and job))

    def running(self, name: str, words: str = "ready") -> None:
        """Wait until the job's program has said these words."""
        wait_for(lambda: any(words in line for line in self.said(name)))

    def said(self, job: str) -> list[str]:
        """What the job's program said."""
        logs, group = client("logs", self.engine_url), "/aws/sagemaker/TrainingJobs"
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/algo-1-")["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        names = [stream["logStreamName"] for stream in streams]
        pages = [logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True) for name in names]
        return [event["message"] for page in pages for event in page["events"]]

    def endpoint(self, name: str) -> dict[str, Any]:
        """An endpoint as it is."""
        return dict(self.sagemaker.describe_endpoint(EndpointName=name))

    def settled(self, name: str) -> dict[str, Any]:
        """An endpoint once nothing changes any more."""
        done = ("InService", "Failed")
        return dict(wait_for(lambda: (found := self.endpoint(name))["EndpointStatus"] in done and found))

    def served(self) -> dict[str, Any]:
        """What the runtime is told to serve."""
        return dict(json.loads((self.directory / "sagemaker" / "endpoints.json").read_text())["endpoints"])
