"""Photos that lie in a bucket already, on the real application: each is recorded once, and announced like an upload."""

import json
from typing import Any

import pytest

from cli import samples
from cli.main import main
from cli.target import DIRECTORY_VARIABLE
from tests.workflow.driver import Application, plain

DRAWN = list(samples.of())
BICYCLE = next(sample.content for sample in DRAWN if sample.label == "bicycle")
OTHER = "photos-of-before"


@pytest.fixture(scope="module")
def here(application: Application) -> Any:
    """The command works on this application."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(DIRECTORY_VARIABLE, str(application.aws.state_dir))
        yield


def backfill(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """What the command answers."""
    code = main(["backfill", *arguments, "--yes", "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.soak
@pytest.mark.usefixtures("here")
def test_a_bucket_of_before_is_gone_through_once(application: Application, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve files of another bucket get a record each under that bucket; a second time, none is asked about."""
    s3 = application.client("s3")
    s3.create_bucket(Bucket=OTHER)
    for number in range(12):
        s3.put_object(Bucket=OTHER, Key=f"2019/{number}.jpg", Body=BICYCLE if number else b"no picture")
    s3.put_object(Bucket=OTHER, Key="2019/", Body=b"")
    s3.put_object(Bucket=OTHER, Key="2020/later.jpg", Body=BICYCLE)

    code, first = backfill(capsys, f"s3://{OTHER}/2019/")
    assert (code, first["photos"]["done"], first["photos"]["recorded_before"]) == (0, 12, 0), first
    code, again = backfill(capsys, f"s3://{OTHER}/2019/")
    assert (code, again["photos"]["done"], again["photos"]["recorded_before"]) == (0, 0, 12), again
    table = application.client("dynamodb").scan(TableName=application.outputs["ResultsTableName"])["Items"]
    records = {item["s3_key"]: item for item in map(plain, table) if item["s3_bucket"] == OTHER}
    assert records.keys() == {f"2019/{number}.jpg" for number in range(12)}
    assert {records[key]["outcome"] for key in records} == {"REJECTED", "CLASSIFIED"}
    assert len(application.announced("2019/7.jpg")) == 1
