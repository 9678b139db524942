"""A company with four vehicles changes vehicles.toml and trains: nothing else is touched, nothing speaks of a pair."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.four_vehicles import FOUR, Copy, bright_quarter, copied, photos, tiny
from tests.unit.monitoring.capture_lines import NOON, line, record, write
from tests.unit.pictures import encoded
from training.artefact import read_members

HANDLERS = """
import base64, io, json, os, sys
from pathlib import Path
from botocore.awsrequest import AWSResponse
import urllib.request
from vehiclevision.image_gate import normalise
from classify_image import app as classify
from filter_inferences import app as decide

class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "test"

class Raw(io.BytesIO):
    def stream(self, *_, **__):
        yield self.read()

def forward(request, **_):
    # What SageMaker does: the body goes to the container, and its answer comes back.
    asked = urllib.request.Request(os.environ["CONTAINER"], request.body, {"Content-Type": "image/jpeg"})
    answered = urllib.request.urlopen(asked)
    return AWSResponse(request.url, 200, {"Content-Type": "application/json"}, Raw(answered.read()))

classify.runtime.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", forward)
said = []
for path in sys.argv[1:]:
    jpeg = normalise(Path(path).read_bytes()).jpeg
    event = {"s3_bucket": "b", "s3_key": path, "image_data": base64.b64encode(jpeg).decode()}
    try:
        said.append(decide.lambda_handler(classify.lambda_handler(event, Context()), Context()))
        del said[-1]["image_data"]
    except Exception as error:
        said.append(type(error).__name__)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def copy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The project with four vehicles."""
    return copied(root, tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the four."""
    return tiny(tmp_path_factory.mktemp("model") / "model.tar.gz")


@pytest.fixture(scope="module")
def endpoint(copy: Copy, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The container's server with that model, as SageMaker starts it."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    for name, content in read_members(model).items():
        (unpacked / name).write_bytes(content)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    own = {"PYTHONPATH": f"{copy.folder}:{copy.folder / 'functions'}", "SM_MODEL_DIR": str(unpacked)}
    place = {"SAGEMAKER_BIND_TO_PORT": str(port), "VEHICLEVISION_HOST": "127.0.0.1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-P", "-m", "serving.serve", "serve"]
    with subprocess.Popen(command, cwd=copy.folder, env={**own, **place}) as server:
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=10):
                        break
                except OSError:
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            server.terminate()


def test_the_functions_name_the_vehicle_and_its_route(copy: Copy, endpoint: str, tmp_path: Path) -> None:
    """Real handlers, asking the real server: four numbers, the surest label and its route, or a person."""
    files = [tmp_path / f"{number}.png" for number in (2, 3, 0)]
    for path in files[:2]:
        bright_quarter(int(path.stem), seed=1).save(path)
    bright_quarter(None, seed=1).save(files[2])

    scooter, car, unsure = copy.says(HANDLERS, *map(str, files), CONTAINER=endpoint)

    assert (scooter["label"], scooter["route"]) == ("scooter", "nearby")
    assert (car["label"], car["route"]) == ("car", "far-out")
    assert len(car["inferences"]) == len(FOUR)
    assert car["inferences"].index(max(car["inferences"])) == FOUR.index("car")
    assert unsure == "THRESHOLD_CONFIDENCE_NOT_MET"


def test_a_model_of_other_vehicles_is_refused_by_name(copy: Copy, model: Path, root: Path, tmp_path: Path) -> None:
    """The shipped model of two there, and a model of four here: both sides say which labels meet which."""
    four = ", ".join(FOUR)
    there = copy.python("-m", "cli.main", "evaluate", str(photos(tmp_path / "photos", 1)), "--json", check=False)
    here = subprocess.run(
        [sys.executable, "-m", "cli.main", "evaluate", str(tmp_path / "photos"), "--model", str(model), "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert there.returncode == here.returncode == 2
    assert f"tells bicycle, motorcycle apart, and vehicles.toml names {four}" in there.stderr
    assert f"tells {four} apart, and vehicles.toml names bicycle, motorcycle" in here.stderr


def test_evaluation_names_all_four(copy: Copy, model: Path, tmp_path: Path) -> None:
    """Figures, confusion and the page are about four labels and other things."""
    folder, page = photos(tmp_path / "photos"), tmp_path / "page.html"

    copy.python(
        "-m", "cli.main", "evaluate", str(folder), "--no-robustness", "--model", str(model), "--out", str(page)
    )  # fmt: skip

    report = json.loads(page.with_suffix(".json").read_text())
    html = page.read_text()
    assert tuple(report["labels"]) == FOUR
    assert (report["n"], report["neither_n"]) == (24, 6)
    assert report["accuracy"] == 1.0
    assert {truth for counts in report["confusion"].values() for truth in counts} == {*FOUR, "neither"}
    assert report["confusion"]["car"]["car"] == 6
    for number, label in enumerate(FOUR):
        assert f"--vehicle-{number}:" in html
        assert f'<span class="dot vehicle-{number}"></span>{label}' in html
    assert_names_no_pair(html)


def test_the_report_counts_all_four(copy: Copy, tmp_path: Path) -> None:
    """Captured answers of four become figures, drawings and a page; a record of two is no answer of this model."""
    sure = [[0.9 if number == label else 0.02 for number in range(4)] for label in range(4)]
    answers = [*sure, *sure[1:], sure[3], [0.3, 0.3, 0.2, 0.1], [0.9, 0.05]]
    lines = [
        line(record(encoded(bright_quarter(seed % 4, seed, 64), "PNG"), answer, event_id=str(seed)))
        for seed, answer in enumerate(answers)
    ]
    write(tmp_path / "captured", NOON, "00-00", b"\n".join(lines) + b"\n")
    page = tmp_path / "page.html"

    copy.python(
        "-c", "import sys; from cli.main import main; sys.exit(main(sys.argv[1:]))", "report", "--from",
        str(tmp_path / "captured"), "--threshold", "0.8", "--out", str(page),
    )  # fmt: skip

    report = json.loads(page.with_suffix(".json").read_text())
    assert report["mix"] == {"bicycle": 1, "motorcycle": 2, "scooter": 2, "car": 3, "review": 1}
    assert (report["answers"], report["without_answer"]) == (9, 1)
    assert list(report["confidence"]) == [*FOUR]
    assert "vehicles.toml" not in report["drift_why"]
    assert "model for bicycle, motorcycle" in report["drift_why"]
    for label in FOUR:
        assert label in page.read_text()
    assert_names_no_pair(page.read_text())


def test_a_person_may_say_each_of_the_four(copy: Copy) -> None:
    """Labelled pictures lie in a folder for each, and Model Monitor's files name each."""
    code = (
        "import json; from monitoring import labels; from monitoring.model_monitor import schedule; "
        "print(json.dumps([[labels.parse(labels.key_of(name, 'a' * 64)).label for name in labels.TRUTHS], "
        "sorted(column['name'] for column in schedule.constraints()['features']), schedule.preprocessor().decode()]))"
    )

    named, columns, preprocessor = copy.says(code)

    assert named == [*FOUR, "neither"]
    assert set(FOUR) <= set(columns)
    assert f"LABELS = {FOUR!r}" in preprocessor


def test_what_leaves_the_project_takes_the_file_along(copy: Copy) -> None:
    """A training job's source and the serving image hold the four, and another list is another image."""
    shutil.copytree(Path(__file__).parents[2] / "requirements", copy.folder / "requirements", dirs_exist_ok=True)
    code = (
        "import io, json, tarfile; from lifecycle import serving_image, source; "
        "packed = tarfile.open(fileobj=io.BytesIO(source.pack().content)); "
        "image = serving_image.context(); "
        "print(json.dumps([packed.extractfile('vehicles.toml').read().decode(), "
        "image['functions/vehicles.toml'].decode(), serving_image.tag(image, 'x86_64')]))"
    )

    job, image, tag = copy.says(code)

    from lifecycle import serving_image

    assert "scooter" in job
    assert "scooter" in image
    assert tag != serving_image.tag(serving_image.context(), "x86_64")


def test_data_without_one_of_them_is_refused_by_name(copy: Copy, tmp_path: Path) -> None:
    """Neither a folder per class nor our own list of photos teaches a label that it does not show."""
    shutil.rmtree(photos(tmp_path / "photos") / "scooter")
    reading = (
        "import sys; from pathlib import Path; from training.data.extract import extract; extract(Path(sys.argv[1]))"
    )
    listing = "from training.data.photos import read_list; read_list()"

    folder = copy.python("-c", reading, str(tmp_path / "photos"), check=False).stderr
    ours = copy.python("-c", listing, check=False).stderr

    assert "The data has no class scooter, which vehicles.toml names." in folder
    assert "The list has no photos of scooter or car, which vehicles.toml names." in ours


def assert_names_no_pair(html: str) -> None:
    """Nothing that a person reads speaks as if there were two vehicles."""
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)
    assert not re.search(
        r"the other one|larger of the two|neither vehicle|both vehicles|two vehicles|surer label", words
    )
