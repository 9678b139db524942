"""Training jobs of the local SageMaker really run, in SageMaker's folders, and end as SageMaker's do."""

import contextlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import processes
from local.sagemaker import servers
from local.sagemaker.control import attempt, training
from tests.unit.local.sagemaker.bench import Plane, archive, client, kill, point_at, refused, training_request, wait_for

CHANNEL = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/data/set"}}}
WAITS = """
import pathlib, signal, sys, time
print("ready")
while True:
    time.sleep(0.05)
"""


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def statuses(job: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in job["SecondaryStatusTransitions"]]


def test_a_script_runs_in_sagemakers_folders_and_leaves_its_model(plane: Plane) -> None:
    """Arguments, channels, environment and files are the container's; model, output, log and metrics come back."""
    program = """
import json, os, pathlib, sys
names = ("SM_HPS", "SM_CHANNELS", "SM_NUM_CPUS", "SM_CURRENT_HOST", "SM_USER_ENTRY_POINT", "TRAINING_JOB_NAME", "MINE")
config = pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"])
channel = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"])
found = {
    "arguments": sys.argv[1:],
    "environment": {name: os.environ[name] for name in names},
    "files": {str(path.relative_to(channel)): path.read_text() for path in channel.rglob("*") if path.is_file()},
    "config": sorted(path.name for path in config.iterdir()),
    "hyperparameters": json.loads((config / "hyperparameters.json").read_text()),
    "beside": pathlib.Path("beside.txt").read_text(),
}
pathlib.Path(os.environ["SM_MODEL_DIR"], "found.json").write_text(json.dumps(found))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("fine")
for accuracy in ("0.5", "nonsense", "0.75", "nan"):
    print(f"epoch accuracy={accuracy}")
try:
    import vehiclevision
except ImportError:
    print("the checkout is not on the path")
"""
    plane.put("data/set/a.txt", b"A")
    plane.put("data/set/deep/b.txt", b"B")
    plane.put("data/settle/other.txt", b"C")
    source = plane.program("script", program, **{"beside.txt": "here"})
    request = training_request(
        "script",
        source,
        parameters={"epochs": "3", "rate": "0.1", "name": json.dumps("a b"), "out": "/opt/ml/checkpoints", "v": "true"},
        InputDataConfig=[{"ChannelName": "train", **CHANNEL}],
        Environment={"MINE": "yes"},
    )
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "accuracy", "Regex": "accuracy=(.*)"}]

    plane.sagemaker.create_training_job(**request)
    plane.sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName="script", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )

    job = plane.job("script")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(each["EndTime"] >= each["StartTime"] for each in job["SecondaryStatusTransitions"])
    assert [(each["MetricName"], each["Value"]) for each in job["FinalMetricDataList"]] == [("accuracy", 0.75)]
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://models/out/script/output/model.tar.gz"
    found = json.loads(members(plane.get("out/script/output/model.tar.gz"))["found.json"])
    arguments = dict(zip(found["arguments"][::2], found["arguments"][1::2], strict=True))
    assert arguments.pop("--out").endswith("/jobs/script/ml/checkpoints")
    assert arguments == {"--epochs": "3", "--rate": "0.1", "--name": "a b", "-v": "True"}
    assert found["environment"]["SM_CHANNELS"] == '["train"]'
    assert json.loads(found["environment"]["SM_HPS"])["epochs"] == 3
    assert found["environment"]["MINE"] == "yes"
    assert found["environment"]["SM_CURRENT_HOST"] == "algo-1"
    assert found["files"] == {"a.txt": "A", "deep/b.txt": "B", "settle/other.txt": "C"}
    assert found["config"] == ["hyperparameters.json", "inputdataconfig.json", "resourceconfig.json"]
    assert found["hyperparameters"]["sagemaker_program"] == json.dumps("train.py")
    assert found["beside"] == "here"
    assert members(plane.get("out/script/output/output.tar.gz")) == {"report.txt": b"fine"}
    assert "the checkout is not on the path" in plane.said("script")
    assert not (plane.directory / "sagemaker-control" / "jobs" / "script").exists()


def test_a_failing_program_gives_its_reason(plane: Plane) -> None:
    """What it wrote to output/failure, with the exit code; its output is kept, no model is left."""
    program = """
import os, pathlib, sys
pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("the data has no labels")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "trace.txt").write_text("x")
sys.exit(3)
"""
    plane.sagemaker.create_training_job(**training_request("failing", plane.program("failing", program)))

    job = plane.ended("failing")

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: the data has no labels, exit code: 3"
    assert plane.keys("out/failing/") == ["out/failing/output/output.tar.gz"]


def test_a_crashing_program_gives_its_last_words(plane: Plane) -> None:
    """Without a failure file the reason is what the toolkit makes of it."""
    source = plane.program("crashing", "print('loading')\nraise ValueError('no such column')")
    plane.sagemaker.create_training_job(**training_request("crashing", source))

    reason = plane.ended("crashing")["FailureReason"]

    assert reason.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n")
    assert "ValueError: no such column" in reason
    assert reason.endswith("exit code: 1")
    assert "ValueError: no such column" in plane.said("crashing")


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("up", archive({"train.py": "", "../../../evil.py": "x"}), "no usable file name"),
        ("root", archive({"/evil.py": "x"}), "no usable file name"),
        ("noise", b"no archive at all", "no sound .tar.gz"),
        ("empty", archive({"other.py": ""}), "'train.py' is not in sagemaker_submit_directory"),
    ],
    ids=["up", "root", "noise", "no program"],
)
def test_a_hostile_or_broken_source_fails_the_job(plane: Plane, name: str, source: bytes, words: str) -> None:
    """Nothing is written outside the job's folder, and the reason says what is wrong."""
    address = plane.put(f"source/{name}.tar.gz", source)
    plane.sagemaker.create_training_job(**training_request(f"hostile-{name}", address))

    assert words in plane.ended(f"hostile-{name}")["FailureReason"]
    assert not plane.holds("evil")


@pytest.mark.parametrize("program", ["../../../../../outside.py", "/outside.py", "deep/../../../x.py"])
def test_a_program_outside_the_source_is_not_run(plane: Plane, program: str) -> None:
    """Whatever it is called."""
    (plane.directory / "outside.py").write_text("print('outside')")
    request = training_request(
        f"outside-{len(program)}",
        plane.program("outside", ""),
        parameters={"sagemaker_program": json.dumps(program)},
        CheckpointConfig={"S3Uri": "s3://models/data/set", "LocalPath": "/opt/ml/../../../../escaped"},
    )
    plane.sagemaker.create_training_job(**request)

    assert "is not in sagemaker_submit_directory" in plane.ended(request["TrainingJobName"])["FailureReason"]
    assert not plane.holds("escaped")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_source_with_anything_but_plain_files_is_refused(plane: Plane, kind: bytes) -> None:
    """Links, devices and pipes have no place in it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        entry = tarfile.TarInfo("train.py")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    name = f"link-{kind.decode()}"
    plane.sagemaker.create_training_job(**training_request(name, plane.put(f"source/{name}.tar.gz", stream.getvalue())))

    assert "is no plain file" in plane.ended(name)["FailureReason"]


def test_a_source_that_unpacks_to_too_much_is_refused(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not unpacked any further than the limit."""
    monkeypatch.setattr("local.sagemaker.control.layout.MAX_SOURCE_BYTES", 1024 * 1024)
    source = plane.put("source/bomb.tar.gz", archive({"train.py": b"\0" * (64 * 1024 * 1024)}))
    plane.sagemaker.create_training_job(**training_request("bomb", source))

    assert "unpacks to more than" in plane.ended("bomb")["FailureReason"]


def test_a_channel_without_objects_fails_the_job(plane: Plane) -> None:
    """With SageMaker's sentence, which names the address."""
    channel = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/nothing/"}}}
    request = training_request(
        "no-data", plane.program("no-data", ""), InputDataConfig=[{"ChannelName": "train", **channel}]
    )
    plane.sagemaker.create_training_job(**request)

    reason = plane.ended("no-data")["FailureReason"]

    assert 'No S3 objects found under S3 URL "s3://models/nothing/"' in reason


def test_a_job_is_stopped_politely_and_keeps_what_it_saved(plane: Plane) -> None:
    """SIGTERM first; what the program writes then becomes the artefact."""
    program = """
import os, pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "half.txt").write_text("half")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready")
while True:
    time.sleep(0.05)
"""
    plane.sagemaker.create_training_job(**training_request("stopped", plane.program("stopped", program)))
    plane.running("stopped")

    plane.sagemaker.stop_training_job(TrainingJobName="stopped")
    stopping = plane.job("stopped")["TrainingJobStatus"]
    job = plane.ended("stopped")

    assert stopping in ("Stopping", "Stopped")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert "FailureReason" not in job
    assert members(plane.get("out/stopped/output/model.tar.gz")) == {"half.txt": b"half"}
    with refused("ValidationException", "The request was rejected because the training job is in status Stopped."):
        plane.sagemaker.stop_training_job(TrainingJobName="stopped")


def test_a_job_that_does_not_listen_is_killed_with_its_children(plane: Plane) -> None:
    """After the grace nothing of it runs."""
    program = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print("ready", os.getpid(), child.pid)
while True:
    time.sleep(0.05)
"""
    plane.sagemaker.create_training_job(**training_request("deaf", plane.program("deaf", program)))
    plane.running("deaf")
    pids = [int(pid) for pid in plane.said("deaf")[0].split()[1:]]

    plane.sagemaker.stop_training_job(TrainingJobName="deaf")

    assert plane.ended("deaf")["TrainingJobStatus"] == "Stopped"
    wait_for(lambda: not any(alive(pid) for pid in pids))


def test_a_job_past_its_time_is_stopped(plane: Plane) -> None:
    """Its status says why."""
    request = training_request("slow", plane.program("slow", WAITS), StoppingCondition={"MaxRuntimeInSeconds": 1})
    plane.sagemaker.create_training_job(**request)

    job = plane.ended("slow")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "MaxRuntimeInSeconds" in job["SecondaryStatusTransitions"][-1]["StatusMessage"]


def test_a_spot_job_goes_on_from_its_checkpoint_after_an_interruption(plane: Plane) -> None:
    """The machine is taken by a tag; the next one has the checkpoints, and the transitions tell the story."""
    program = """
import os, pathlib, sys, time
checkpoint = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"], "step.txt")
if checkpoint.exists():
    print("going on from", checkpoint.read_text())
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(checkpoint.read_text())
    sys.exit(0)
checkpoint.write_text("step 7")
print("ready")
while True:
    time.sleep(0.05)
"""
    request = training_request(
        "spot",
        plane.program("spot", program),
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        CheckpointConfig={"S3Uri": "s3://models/checkpoints/spot", "LocalPath": "/opt/ml/checkpoints"},
    )
    arn = plane.sagemaker.create_training_job(**request)["TrainingJobArn"]
    plane.running("spot")

    plane.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "local:spot-interruption", "Value": "now"}])
    job = plane.ended("spot")

    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert statuses(job) == [
        *("Starting", "Downloading", "Training", "Interrupted", "Restarting"),
        *("Downloading", "Training", "Uploading", "Completed"),
    ]
    assert members(plane.get("out/spot/output/model.tar.gz")) == {"model.txt": b"step 7"}
    assert plane.get("checkpoints/spot/step.txt") == b"step 7"
    assert "going on from step 7" in plane.said("spot")


def test_names_are_taken_once_and_lists_are_filtered(plane: Plane) -> None:
    """A second job of the name is in use, in whatever case; lists filter by name and status."""
    source = plane.program("listed", "")
    for name in ("listed-a", "listed-b"):
        plane.sagemaker.create_training_job(**training_request(name, source))
        plane.ended(name)

    with refused("ResourceInUse", "a training job with this name already exists (arn:aws:sagemaker:"):
        plane.sagemaker.create_training_job(**training_request("LISTED-A", source))
    pages = plane.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="listed", StatusEquals="Completed", SortBy="Name", SortOrder="Descending", MaxResults=1
    )
    assert [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]] == [
        "listed-b",
        "listed-a",
    ]
    plane.sagemaker.delete_training_job(TrainingJobName="listed-a")
    with refused("ValidationException", "Requested resource not found."):
        plane.job("listed-a")


def test_a_job_that_is_stopped_before_it_runs_is_stopped(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the job's record and its thread somebody may tell it to stop, too."""

    class Late(attempt.Control):
        def __init__(self) -> None:
            plane.sagemaker.stop_training_job(TrainingJobName="late")
            super().__init__()

    monkeypatch.setattr(training, "Control", Late)
    source = plane.program("late", "import time; time.sleep(5)")

    plane.sagemaker.create_training_job(**training_request("late", source))

    assert plane.ended("late")["TrainingJobStatus"] == "Stopped"


def test_a_checkpoint_written_before_anybody_watches_is_kept(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a program may have written, and even ended, before its starter goes on."""

    tied = processes.tied

    @contextlib.contextmanager
    def slow(*arguments: Any) -> Iterator[Any]:
        with tied(*arguments) as program:
            wait_for(lambda: program.poll() is not None)
            yield program

    monkeypatch.setattr(processes, "tied", slow)
    source = plane.program(
        "early", 'import os, pathlib; pathlib.Path(os.environ["SM_CHECKPOINT_DIR"], "step.txt").write_text("1")'
    )
    checkpoints = {"S3Uri": "s3://models/checkpoints/early"}
    plane.sagemaker.create_training_job(**training_request("early", source, CheckpointConfig=checkpoints))
    assert plane.ended("early")["TrainingJobStatus"] == "Completed"
    assert plane.get("checkpoints/early/step.txt") == b"1"


@pytest.fixture
def killed(tmp_path: Path, engine_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A control plane in a process of its own, that a test may kill and start again."""
    monkeypatch.setenv("VEHICLEVISION_SAGEMAKER_SPEED", "2000")
    monkeypatch.setenv("VEHICLEVISION_SAGEMAKER_STOP_SECONDS", "1")
    point_at(tmp_path, engine_url)
    plane = Plane(servers.control(tmp_path).launch().ready(), engine_url, tmp_path)
    yield plane
    servers.control(tmp_path).stop()


def test_kill_9_takes_the_programs_along_and_the_next_start_settles_their_jobs(killed: Plane, tmp_path: Path) -> None:
    """A plain job has failed with a reason; a spot job goes on; both programs are gone, whoever asks."""
    program = """
import os, pathlib, sys, time
if pathlib.Path(os.environ["SM_CHECKPOINT_DIR"], "pid").exists():
    sys.exit(0)
pathlib.Path(os.environ["SM_CHECKPOINT_DIR"], "pid").write_text(str(os.getpid()))
print("ready", os.getpid())
while True:
    time.sleep(0.05)
"""
    source = killed.program("killed", program)
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        "CheckpointConfig": {"S3Uri": "s3://models/checkpoints/killed"},
    }
    killed.sagemaker.create_training_job(**training_request("killed-plain", source))
    killed.sagemaker.create_training_job(**training_request("killed-spot", source, **spot))
    for name in ("killed-plain", "killed-spot"):
        killed.running(name)
    wait_for(lambda: killed.keys("checkpoints/killed/"))
    pids = [int(line.split()[1]) for name in ("killed-plain", "killed-spot") for line in killed.said(name)]

    kill(tmp_path)
    wait_for(lambda: not any(alive(pid) for pid in pids))
    url = servers.control(tmp_path).launch().ready()

    again = Plane(url, killed.engine_url, tmp_path)
    assert url == killed.url
    plain, other = again.ended("killed-plain"), again.ended("killed-spot")
    assert plain["TrainingJobStatus"] == "Failed"
    assert plain["FailureReason"].startswith("InternalServerError: ")
    assert other["TrainingJobStatus"] == "Completed", other.get("FailureReason")
    assert "Interrupted" in statuses(other)
    assert client("sagemaker", url).describe_endpoint(EndpointName="vehiclevision")["EndpointStatus"] == "InService"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
