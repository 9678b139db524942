"""What happens to the application between `sam build` and `sam deploy`."""

import json
from pathlib import Path

import pytest

from local import deploy
from local.errors import LocalAwsError

TEMPLATE = """
Parameters: {PythonRuntime: {Type: String, Default: python3.13, AllowedValues: [python3.13]}}
Globals: {Function: {CodeUri: functions/, Runtime: {Ref: PythonRuntime}}}
Resources:
  OneFunction:
    Type: AWS::Serverless::Function
    Properties: {Handler: one.app.handler, CodeUri: OneFunction}
  TwoFunction:
    Type: AWS::Serverless::Function
    Properties: {Handler: two.app.handler, CodeUri: TwoFunction}
  Workflow:
    Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: ../machine.json}
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder as `sam build` leaves it: the same artefact for each function."""
    for name in ("OneFunction", "TwoFunction"):
        (tmp_path / "build" / name / "one").mkdir(parents=True)
        (tmp_path / "build" / name / "one" / "app.py").write_text("def handler(event, context): ...")
    (tmp_path / "build" / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "machine.json").write_text("{}")
    return tmp_path


def test_every_function_runs_in_the_custom_runtime(room: Path) -> None:
    """The copy names the runtime in which error names survive, and an executable bootstrap lies in the artefact."""
    template = json.loads(deploy.prepare(room, room).read_text())

    for name in ("OneFunction", "TwoFunction"):
        properties = template["Resources"][name]["Properties"]
        bootstrap = Path(properties["CodeUri"]) / "bootstrap"
        assert properties["Runtime"] == "provided.al2023"
        assert bootstrap.stat().st_mode & 0o111
        assert (Path(properties["CodeUri"]) / "one" / "app.py").exists()


def test_equal_artefacts_are_copied_once(room: Path) -> None:
    """SAM copies one build to each function; the engine gets one."""
    template = json.loads(deploy.prepare(room, room).read_text())

    places = {template["Resources"][name]["Properties"]["CodeUri"] for name in ("OneFunction", "TwoFunction")}
    assert len(places) == 1


def test_what_was_built_is_left_as_it_was(room: Path) -> None:
    """The build folder has no bootstrap, and its template is untouched."""
    deploy.prepare(room, room)

    assert not (room / "build" / "OneFunction" / "bootstrap").exists()
    assert (room / "build" / "template.yaml").read_text() == TEMPLATE


def test_relative_paths_still_lead_to_their_files(room: Path) -> None:
    """The copy lies in another folder than the template did."""
    template = json.loads(deploy.prepare(room, room).read_text())

    assert template["Resources"]["Workflow"]["Properties"]["DefinitionUri"] == str(room / "machine.json")


def test_artefacts_of_earlier_builds_are_removed(room: Path) -> None:
    """Each change of the code would otherwise leave a copy behind."""
    deploy.prepare(room, room)
    for name in ("OneFunction", "TwoFunction"):
        (room / "build" / name / "one" / "app.py").write_text("changed = True")

    deploy.prepare(room, room)

    assert len(list((room / "functions").iterdir())) == 1


def test_a_change_of_any_input_asks_for_a_new_deployment(tmp_path: Path) -> None:
    """Content counts; caches and timestamps do not."""
    (tmp_path / "functions" / "__pycache__").mkdir(parents=True)
    (tmp_path / "functions" / "app.py").write_text("1")
    application = deploy.VEHICLEVISION.at(tmp_path)
    before = deploy.fingerprint(application)

    (tmp_path / "functions" / "__pycache__" / "app.pyc").write_text("x")
    unchanged = deploy.fingerprint(application)
    (tmp_path / "functions" / "app.py").write_text("2")

    assert before == unchanged != deploy.fingerprint(application)


def test_parameters_reach_sam_whole() -> None:
    """Schedules have spaces, and an empty value is left to the template's default."""
    given = {"Schedule": "cron(15 3 * * ? *)", "KmsKeyArn": "", "Words": 'a "b" \\'}

    assert deploy.overrides(given) == ['Schedule="cron(15 3 * * ? *)"', 'Words="a \\"b\\" \\\\"']


def test_a_parameter_that_changes_asks_for_a_new_deployment(tmp_path: Path) -> None:
    """What is deployed is the template and what it was given."""
    application = deploy.MONITORING.at(tmp_path)

    assert deploy.fingerprint(application, {"A": "1"}) != deploy.fingerprint(application, {"A": "2"})


def test_a_failing_sam_becomes_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person reads SAM's own error line and where the whole log lies."""
    sam = tmp_path / "sam"
    sam.write_text("#!/bin/sh\necho Starting\necho 'Error: the reason'\nexit 1\n")
    sam.chmod(0o755)
    monkeypatch.setenv("VEHICLEVISION_SAM", str(sam))

    with pytest.raises(LocalAwsError) as caught:
        deploy.build(deploy.VEHICLEVISION.at(tmp_path), tmp_path / "shared", tmp_path / "room", {}, lambda _: None)

    assert caught.value.message == "`sam build` failed: Error: the reason"
    assert caught.value.hint == f"Its log is {tmp_path / 'room' / 'sam-build.log'}"


def test_a_missing_sam_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else works without it, so the hint is the command that installs it."""
    monkeypatch.setenv("VEHICLEVISION_SAM", str(tmp_path / "none"))

    with pytest.raises(LocalAwsError) as caught:
        deploy.build(deploy.VEHICLEVISION.at(tmp_path), tmp_path / "shared", tmp_path / "room", {}, lambda _: None)

    assert "make setup" in caught.value.hint


def test_the_same_files_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second state folder takes what the first has built; a change, or a build that is gone, is built."""
    sam, shared, application = tmp_path / "sam", tmp_path / "shared", deploy.VEHICLEVISION.at(tmp_path / "checkout")
    sam.write_text(
        f"#!/bin/sh\necho one >> {tmp_path}/builds\nmkdir -p {shared}/build && touch {shared}/build/template.yaml\n"
    )
    sam.chmod(0o755)
    monkeypatch.setenv("VEHICLEVISION_SAM", str(sam))
    functions = tmp_path / "checkout" / "functions"
    functions.mkdir(parents=True)
    shared.mkdir()

    def builds() -> int:
        deploy.build(application, shared, tmp_path / "room", {}, lambda _: None)
        return len((tmp_path / "builds").read_text().split())

    assert [builds(), builds()] == [1, 1]
    (functions / "app.py").write_text("changed")
    assert [builds(), builds()] == [2, 2]
    (shared / "build" / "template.yaml").unlink()
    assert builds() == 3
