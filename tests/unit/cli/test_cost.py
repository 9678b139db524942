"""`vehiclevision cost`: every line is a quantity that follows from the code times a price that somebody published."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from lifecycle import costs, lean, prices
from lifecycle.costs import Bill, Price, Profile
from monitoring import telemetry as of_the_check
from monitoring.drift.baseline import load
from monitoring.drift.decision import needed
from reconciling import telemetry as of_the_join
from tests.simulator.machine import read_machine
from tests.simulator.world import World

MILLION = 1_000_000
TRANSITIONS = len(costs.way_of_a_classified_photo(costs.machine()))
SERIALIZED_AND_MORE = 640 / 1024 * (0.1 * 1769 / 640 + 0.14) + 0.1 / 2 + 0.01 / 4


def profile(name: str, photos: int = MILLION, **options: Any) -> Profile:
    return next(each for each in costs.profiles(photos, **options) if each.profile == name)


def test_the_transitions_are_those_of_a_run() -> None:
    """The simulator goes through the very states that are counted: six, from the picture to the note."""
    world = World(read_machine(costs.MACHINE.read_text("utf-8")))
    run = world.deliver(world.upload("uploads/a.jpg", "bicycle"))

    world.finish(run)

    assert run.visited == costs.way_of_a_classified_photo(costs.machine())
    assert TRANSITIONS == 6


@pytest.mark.parametrize(
    ("name", "what", "dollars"),
    [
        ("standard-instance", "transitions a photo", TRANSITIONS * 25.00),
        ("standard-instance", "3 calls a photo", 3 * 0.20),
        # 640 MB for 0.1 s of a processor and 0.14 s of waiting, a half of a GB for 0.1 s, a quarter for 0.01 s.
        ("standard-instance", "GB-seconds a photo", 1e6 * SERIALIZED_AND_MORE * 0.0000166667),
        ("lean", "GB-seconds a photo", 1e6 * SERIALIZED_AND_MORE * 0.0000133334),
        ("standard-instance", "4 write units a photo", 4 * 0.625),
        ("standard-instance", "an announcement a photo", 1.00),
        ("standard-instance", "the upload's own request", 5.00),
        ("standard-instance", "1 request to read it", 0.40),
        ("standard-instance", "bytes of logs a photo", 4.5 * 0.50),
        ("standard-instance", "2 dashboards", 6.00),
        ("standard-instance", "metrics of our own", 8 * 0.30),
        # Every hour two of the join, every day eight of the check.
        ("standard-instance", "in the hours of their runs", (2 + 8 / 24) * 0.30),
        ("lean", "in the hours of their runs", (2 / 24 + 8 / 24) * 0.30),
        ("standard-instance", "alarms of auto scaling", 2 * 0.10),
        ("standard-instance", "GB into the endpoint", 20 * 0.016),
        ("lean", "the serving image", 0.03),
        ("lean", "0.03 s of 2048 MB", 30_000 * 0.00004),
        ("lean", "a file each by the function", 10_000 * 0.000005),
        ("standard-instance", "one ml.m5.xlarge, always", 167.90),
        ("standard-instance", "captured pictures, a file each at worst", 5.00),
        ("standard-instance", "captured pictures, kept for 30 days", 40 * 0.023),
        ("express-serverless", "captured pictures, a file each by the function", 5.00),
        ("express-serverless", "captured pictures, kept for 30 days", 40 * 0.023),
        ("express-instance", "a request a photo", 1.00),
        ("express-instance", "one trace a second", 5.00),
        # Four million versions lie there, a million of them deleted; each hour two million of them are listed and read.
        ("express-instance", "pages of the bucket", 730 * 2_000 * 0.000005),
        ("express-instance", "GB-seconds of its", (730 * 2e6 / 5_700 + 1e6 / 2_200) * 1769 / 1024 * 0.0000166667),
        # Two million, once a day.
        ("lean", "pages of the bucket", 730 / 24 * 2_000 * 0.000005),
        ("lean", "runs of its function", 730 / 24 * 1769 / 1024 * 0.0000133334),
        ("express-instance", "look up each photo", 0.0625),
        # 0.83 s count as 0.9 s of a sixteenth of a GB.
        ("express-instance", "0.9 s of 64 MB a photo", 0.9 / 16 * 16.67),
        ("batch", "hours of ml.m5.xlarge", MILLION * (0.02 + 0.025) / 3600 * 0.23),
        ("batch", "2 write units a photo", 2 * 0.625),
        ("batch", "a request to read each", 0.40),
        ("rekognition", "the first million", 1000.00),
        ("claude-haiku-5.5", "588 tokens in a photo", 58.80),
        ("claude-haiku-5.5", "20 tokens out a photo", 10.00),
        ("claude-sonnet-5.5", "588 tokens in a photo", 1176.00),
        ("claude-sonnet-5.5", "20 tokens out a photo", 200.00),
    ],
)
def test_a_line_is_right(name: str, what: str, dollars: float) -> None:
    """A million photos, worked out by hand."""
    (line,) = [line for line in profile(name).lines if what in line.what]

    assert line.dollars == pytest.approx(dollars)


def test_a_bill_is_the_sum_of_its_lines() -> None:
    """In all, idle, and a million: what idles is due without photos and is no part of the price of a million."""
    for each in costs.profiles(2 * MILLION):
        known = [line.dollars for line in each.lines if line.dollars is not None]
        assert each.dollars_total == pytest.approx(sum(known))
        assert each.dollars_per_million == pytest.approx((sum(known) - each.dollars_idle) / 2)
    assert profile("standard-instance").dollars_idle == profile("standard-instance", 0).dollars_total


def test_what_idles_is_less_where_cloudwatchs_free_tier_is_left() -> None:
    """Ten metrics that alarms read and three dashboards a month cost nothing; the endpoint's instance does."""
    serverless, instance = profile("express-serverless"), profile("standard-instance")
    (metrics,) = [line.quantity for line in serverless.lines if "that alarms read" in line.what]

    others = sum(line.dollars or 0 for line in serverless.lines if line.idle and line.price not in costs.FREE)
    assert serverless.dollars_idle == pytest.approx(metrics * 0.10 + 2 * 3.00 + others)
    assert serverless.dollars_idle_free == pytest.approx((metrics - 10) * 0.10 + others)
    assert instance.dollars_idle == pytest.approx(serverless.dollars_idle + 0.20 + 167.90)
    assert profile("batch").dollars_idle_free == 0


def test_more_photos_than_one_instance_answers_take_another() -> None:
    """131 million a month are 50 a second, around the clock."""
    one, two = (profile("standard-instance", photos) for photos in (131_000_000, 132_000_000))

    assert not [line for line in one.lines if "under load" in line.what]
    assert [line.dollars for line in two.lines if line.what == "1 more under load"] == [pytest.approx(167.90)]


def test_a_trace_is_not_recorded_of_every_photo() -> None:
    """Beyond one a second, every twentieth is."""
    (line,) = [line for line in profile("express-instance", 10_000_000).lines if line.service == "X-Ray"]

    assert line.quantity == pytest.approx(2_628_000 + 0.05 * 7_372_000)


def test_a_goal_is_reached_missed_or_left_open() -> None:
    """By the cheapest way, and of two alike the first; a price that was not found leaves open what would be reached."""
    driven, idle, batch = costs.goals(costs.profiles(MILLION))

    assert [(each.profile, each.reached) for each in (driven, idle, batch)] == [
        ("lean", True), ("lean", True), ("batch", True)
    ]  # fmt: skip
    assert driven.dollars + idle.dollars < 20
    for dollars, is_least, reached in ((19, True, None), (21, True, False), (19, False, True)):
        assert costs.Goal("x", 20, "y", True, dollars, is_least).reached is reached
    assert list(costs.goals(costs.profiles(0))) == []


def test_rekognition_is_cheaper_beyond_a_million() -> None:
    """The second tier counts from there on."""
    assert profile("rekognition", 3 * MILLION).dollars_total == pytest.approx(1000 + 2 * 800)


def test_a_price_that_was_not_found_is_not_made_up() -> None:
    """The line says so, and what it is a part of says what is missing; AWS's own price list goes before ours."""
    unknown = Profile("x", "x", True, 1, (Bill(1, prices={}).line("SageMaker", "seconds", 1, "sagemaker_gb"),))
    ours, theirs = profile("standard-serverless"), profile("standard-serverless", serverless_dollars_a_second=0.00005)

    assert unknown.missing == ["SageMaker: seconds"]
    assert ours.missing == theirs.missing == []
    assert theirs.dollars_total - ours.dollars_total == pytest.approx(0.30)


def test_every_price_says_who_says_so_and_when() -> None:
    """A source, a unit and a day in the past; every one of them is used."""
    _, known = costs.prices()
    used = {line.price for each in costs.profiles(2 * MILLION) for line in each.lines}

    for price in known.values():
        assert price.source.startswith("https://")
        assert price.unit
        assert date(2026, 1, 1) <= price.read <= date.today()
        assert price.dollars > 0
    assert set(known) - {"dynamodb_gb_month"} <= used


def test_alarms_are_billed_by_the_metrics_that_they_read() -> None:
    """A plain alarm reads one; one over an expression reads those below it."""
    plain = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}}
    of_two: list[dict[str, Any]] = [{"MetricStat": {}}, {"MetricStat": {}}, {"Expression": "a + b"}]
    resources = {"A": plain, "B": {**plain, "Properties": {"Metrics": of_two}}, "C": {"Type": "AWS::S3::Bucket"}}

    assert costs.alarm_metrics([{"Resources": resources}]) == 3


def test_the_lean_way_is_what_lean_parameters_deploy() -> None:
    """Its lines are read from the templates with samconfig.toml's parameters; neither changes without the other."""
    application = costs.templates(costs.lean_parameters())[0]
    function, machine = application["Globals"]["Function"], application["Resources"]["ClassifyVehicleStateMachine"]
    told = {(line.service, line.price) for line in profile("lean").lines}

    assert lean.parameters(costs.CHECKOUT).keys() <= application["Parameters"].keys()
    assert "ClassifyVehicleExpressStateMachine" in application["Resources"]
    assert (function["Architectures"], machine["Properties"]["Tracing"]) == (["arm64"], {"Enabled": False})
    assert function["LoggingConfig"] == {"LogFormat": "JSON", "SystemLogLevel": "WARN"}
    assert not told & {
        ("X-Ray", "xray_trace"),
        ("CloudWatch", "cloudwatch_dashboard"),
        ("CloudWatch", "cloudwatch_logs_gb"),
    }
    assert ("Lambda", "lambda_gb_second_arm64") in told


def test_a_deployed_application_costs_by_its_own_parameters() -> None:
    """By default as the first profile, leanly as that of its name; what was given otherwise counts as given."""
    names = dict(costs.lean_parameters())

    assert costs.lines_as_deployed(MILLION, {}, is_serverless=False) == profile("standard-instance").lines
    assert costs.lines_as_deployed(MILLION, names, is_serverless=True) == profile("lean").lines
    traced = costs.lines_as_deployed(MILLION, {**names, "Tracing": "enabled"}, is_serverless=True)
    assert {line.service for line in traced} - {line.service for line in profile("lean").lines} == {"X-Ray"}


def test_what_is_captured_leanly_is_enough_for_a_check(root: Path) -> None:
    """A million photos a month are 333 captured ones a day; drift is decided from 247 on."""
    percent = float(lean.parameters(costs.CHECKOUT)["CapturePercent"])

    assert percent / 100 * MILLION / 30 > needed(load(root / "training/model/baseline.json"))


def test_a_schedule_comes_round_so_often() -> None:
    """A rate by its unit; a time of day once a day."""
    schedules = {"rate(1 hour)": 730, "rate(15 minutes)": 2920, "rate(1 day)": 730 / 24, "cron(15 3 * * ? *)": 730 / 24}

    assert {each: costs.runs_a_month(each) for each in schedules} == schedules


def test_what_is_kept_is_told_apart() -> None:
    """Photos of 3 MB for 90 days and 30 more, records of 1 KB twice for a year; leanly 30 and 30, and 90."""
    full, thin = Bill(MILLION), Bill(MILLION, parameters=costs.lean_parameters())

    assert costs.kept_photos_dollars(full) == pytest.approx(3_000 * 4 * 0.023)
    assert costs.kept_photos_dollars(thin) == pytest.approx(3_000 * 2 * 0.023)
    assert costs.kept_records_dollars(full) == pytest.approx(2 * 365 / 30 * 0.25)
    assert costs.kept_records_dollars(thin) == pytest.approx(2 * 3 * 0.25)
    rules = full.templates[0]["Resources"]["UploadBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules if "NoncurrentVersionExpiration" in rule
    ] == [costs.NONCURRENT_DAYS]


def test_the_metrics_that_runs_count_are_those_that_are_billed() -> None:
    """Two of the join, eight of a check."""
    for module, count in ((of_the_join, costs.JOIN_METRICS), (of_the_check, costs.CHECK_METRICS)):
        assert (
            len([name for name in vars(module) if name.isupper() and name not in ("NAMESPACE", "DIMENSION")]) == count
        )


def test_a_record_takes_one_write_unit(root: Path) -> None:
    """With names as AWS gives them, the item of a classified photo stays below the 1 KB that a write unit writes."""
    world = World(read_machine(costs.MACHINE.read_text("utf-8")))
    world.measurements = json.loads((root / "events/filter_inferences.json").read_text())["measurements"]
    items: list[dict[str, Any]] = []
    call = world.table._call

    def noted(operation: Any, request: dict[str, Any]) -> Any:
        items.append(request)
        return call(operation, request)

    world.table._call = noted  # type: ignore[method-assign]
    run = world.deliver(world.upload("uploads/depot 7/rider+42 (front).jpg", "bicycle"))
    # An execution's address of AWS instead of the simulator's short one.
    run.name = "arn:aws:states:us-east-1:111122223333:execution:vehiclevision-classify-vehicle:" + "0" * 73

    world.finish(run)

    (item,) = [request["Item"] for request in items if "Item" in request]
    assert 300 < _bytes(item) + len("vehiclevision-uploadbucket-0123456789ab") * 2 < 1024


def _bytes(value: Any) -> int:
    """DynamoDB's own count, generously: names and values as text, three bytes for what holds others."""
    if isinstance(value, dict):
        return sum(len(name) + _bytes(each) + 1 for name, each in value.items()) + 3
    if isinstance(value, list):
        return sum(_bytes(each) + 1 for each in value) + 3
    return len(str(value))


def test_the_price_list_is_asked_for_a_serverless_second() -> None:
    """The usage type names the memory; nothing else of the list is taken."""
    terms = {"OnDemand": {"x": {"priceDimensions": {"y": {"unit": "Second", "pricePerUnit": {"USD": "0.00003"}}}}}}
    product = {"product": {"attributes": {"usagetype": "USE1-ServerlessInf:Mem-2GB"}}, "terms": terms}

    class PriceList:
        def get_products(self, **_: Any) -> dict[str, Any]:
            return {"PriceList": [json.dumps(product)]}

    assert prices.serverless_second(PriceList(), 2048, "us-east-1") == 0.00003
    assert prices.serverless_second(PriceList(), 4096, "us-east-1") is None


def test_what_scripts_read(capsys: pytest.CaptureFixture[str]) -> None:
    """One object with the profiles; without photos nothing but what idles."""
    assert main(["cost", "--photos", "0", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["region"] == "us-east-1"
    assert {each["profile"] for each in told["profiles"]} >= {"standard-instance", "standard-serverless", "batch"}
    for each in told["profiles"]:
        assert each["dollars_total"] == each["dollars_idle"]
        assert sum(line["dollars"] or 0 for line in each["lines"]) == pytest.approx(each["dollars_total"], abs=0.01)


def test_what_people_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way with its services, what idles, and a million; the prices' day and what they leave out."""
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["cost", "--photos", "1000000", "--lines"]) == 0

    told = capsys.readouterr()
    assert "1,000,000 photos a month" in told.out
    assert f"Step Functions: {TRANSITIONS} transitions a photo" in told.out
    assert "(batch)" in told.out
    assert "Goal $20, a million photos, each as it comes: " in told.out
    assert "without free allowances" in told.err


def test_a_price_file_of_ones_own(tmp_path: Path) -> None:
    """Another region's prices have the same form."""
    file = tmp_path / "prices.toml"
    file.write_text(
        'region = "eu-west-1"\n[s3_get]\ndollars = 1\nunit = "GET"\nsource = "https://x"\nread = 2026-11-28\n'
    )

    region, known = costs.prices(file)

    assert region == "eu-west-1"
    assert known["s3_get"] == Price(1, "GET", "https://x", date(2026, 11, 28))
    assert Bill(1, prices=known).line("S3", "x", 2, "s3_get").dollars == 2


def test_four_photos_are_not_told_a_millionfold(capsys: pytest.CaptureFixture[str]) -> None:
    """What is due once a month beside them would make a million cost hundreds of thousands."""
    told = []
    for photos in ("4", str(MILLION), "0"):
        assert main(["cost", "--photos", photos, "--json"]) == 0
        read = json.loads(capsys.readouterr().out)
        told.append(({each["profile"]: each["dollars_per_million"] for each in read["profiles"]}, read["goals"]))

    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize(
    ("second", "said"), [(None, "did not answer; all is as above"), (0.00003, "the endpoint's seconds; all else is")]
)
def test_it_says_what_is_known_of_another_region(
    second: float | None, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every other price is that of one region."""
    monkeypatch.setattr(prices, "serverless_second", lambda *_: second)

    assert main(["cost", "--region", "eu-central-1"]) == 0

    assert said in " ".join(capsys.readouterr().err.split())
