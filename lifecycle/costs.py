"""What so many photos a month cost, line by line: list prices, no free allowances, one region.

How often each service is asked follows from the state machine and from the templates as they are deployed, with their
defaults or with samconfig.toml's `lean` parameters; what a photo takes of it is in `Photo`, with the reason. What AWS
keeps of photos and records is told apart: it depends on their size, and on for how long.
"""

import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

from lifecycle import lean
from lifecycle.endpoint import ALARMS, Serverless
from lifecycle.prices import HOURS_A_MONTH
from lifecycle.templates import parsed, resolved
from vehiclevision import telemetry

PRICES: Final = Path(__file__).with_name("prices.toml")
CHECKOUT: Final = Path(__file__).parents[1]
# The application, and those beside it that cost something.
ROOMS: Final = (CHECKOUT, *(CHECKOUT / room for room in ("monitoring", "retraining", "reconciling", "backfilling")))
MACHINE: Final = CHECKOUT / "statemachine" / "classify_vehicle.asl.json"
# The functions of the way of one photo, by the state that calls each.
FUNCTIONS: Final = ("SerializeImageFunction", "ClassifyImageFunction", "FilterInferencesFunction")
# Express bills memory in such steps, and time in such.
EXPRESS_GB: Final = 64 / 1024
EXPRESS_SECONDS: Final = 0.1
# X-Ray's default rule beyond one trace a second.
TRACED_BEYOND: Final = 0.05
# Lambda gives a whole processor at so many MB.
PROCESSOR_MB: Final = 1769
# What reconciling's sweep reads in a second of CPU, and in a run at most: docs/decisions/0019.
SWEPT_A_SECOND: Final = 5_700
LOOKED_UP_A_SECOND: Final = 2_200
MOST_SWEPT_A_RUN: Final = 2_000_000
VERSIONS_A_PAGE: Final = 1_000
DAYS_A_MONTH: Final = 30
# A deleted photo stays so long as a version that is no longer the newest: template.yaml.
NONCURRENT_DAYS: Final = 30
# Metrics that a run of the join and a check count: each is billed for the hours in which it is counted.
JOIN_METRICS: Final = 2
CHECK_METRICS: Final = 8
# Target tracking makes two alarms of its own.
SCALING_ALARMS: Final = 2
HOURS: Final = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}
# What CloudWatch gives each account without a price, by the price that it would else have.
FREE: Final = {"cloudwatch_alarm_metric": 10.0, "cloudwatch_dashboard": 3.0}
# What the id of a model on Bedrock has in it, whichever region or inference profile it begins with, and its prices.
MODEL_PRICES: Final = {"claude-haiku-5-5": "haiku", "claude-sonnet-5-5": "sonnet"}


@dataclass(frozen=True)
class Price:
    """What one unit costs, who says so, and when that was read."""

    dollars: float
    unit: str
    source: str
    read: date


@dataclass(frozen=True)
class Photo:
    """What one classified photo takes; a phone's, of 12 megapixels."""

    megabytes: float = 3.0
    # So much of a processor the function needs for it, of which Lambda gives a part; for the rest it waits for S3.
    serialize_processor_seconds: float = 0.10
    serialize_waiting_seconds: float = 0.14
    # 18 ms of the endpoint's processor, and the network both ways.
    classify_seconds: float = 0.10
    filter_seconds: float = 0.01
    # The steps of the workflow beside the functions: record, announcement and note.
    workflow_seconds: float = 0.30
    # An item of at most 1 KB, in the table and in its index.
    write_units: int = 2
    # Whether a newer version is there is asked only where it is read later than a minute after its upload.
    reads: int = 1
    # In the table, and in its index again.
    record_bytes: int = 1_000
    # In each of three functions: a line of our own, one of metrics, and Lambda's three.
    own_log_bytes: int = 2_300
    metrics_log_bytes: int = 900
    lambda_log_bytes: int = 1_300
    # The model's input, as it is sent to the endpoint.
    input_bytes: int = 20_000
    # Captured in base64 with its answer, a file each at worst, kept for 30 days.
    captured_bytes: int = 40_000
    # What a serverless endpoint works on one answer: a server gives one client 66 a second; as much again on top.
    answer_seconds: float = 0.03
    # What one ml.m5.xlarge answers in a second, with room.
    answered_a_second: float = 50.0
    # A picture of 512 pixels with the question, and a short answer, to a multimodal model.
    tokens_in: int = 438 + 150
    tokens_out: int = 20
    # The model is in doubt, and its surest label yet more likely than all else: 10 of the 313 photos of its test.
    doubtful_share: float = 0.032
    # The picture that a run carries, of 224 pixels, with the question, to a multimodal model.
    doubtful_tokens_in: int = 84 + 150


@dataclass(frozen=True)
class Line:
    """One line of a bill; without a price, one that is missing from it."""

    service: str
    what: str
    quantity: float
    price: str
    dollars: float | None
    idle: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the next program."""
        return {**vars(self), "dollars": None if self.dollars is None else round(self.dollars, 4)}


@dataclass(frozen=True)
class Profile:
    """A way to have photos classified, and what it costs a month."""

    profile: str
    words: str
    # Whether this release does it.
    offered: bool
    photos: int
    lines: tuple[Line, ...]

    @property
    def alone(self) -> bool:
        """Whether it is an answer with nothing around it: no upload, record, review or announcement."""
        return not any(line.service in ("DynamoDB", "Step Functions") for line in self.lines)

    @property
    def dollars_total(self) -> float:
        """What the lines with a price come to."""
        return sum(line.dollars for line in self.lines if line.dollars is not None)

    @property
    def dollars_idle(self) -> float:
        """What of it is due without a single photo."""
        return sum(line.dollars for line in self.lines if line.idle and line.dollars is not None)

    @property
    def dollars_idle_free(self) -> float:
        """The same where nothing else in the account uses what CloudWatch gives for nothing."""
        return self.dollars_idle - sum(
            line.dollars * min(1.0, FREE.get(line.price, 0.0) / line.quantity)
            for line in self.lines
            if line.idle and line.dollars is not None
        )

    @property
    def missing(self) -> list[str]:
        """The lines for which no price is known."""
        return [f"{line.service}: {line.what}" for line in self.lines if line.dollars is None]

    @property
    def dollars_per_million(self) -> float | None:
        """What a million photos cost beside what idles; None without photos."""
        return (self.dollars_total - self.dollars_idle) / self.photos * 1e6 if self.photos else None

    def as_json(self) -> dict[str, Any]:
        """For the next program."""
        million = self.dollars_per_million
        return {
            "profile": self.profile,
            "words": self.words,
            "offered": self.offered,
            "photos": self.photos,
            "dollars_total": round(self.dollars_total, 2),
            "dollars_idle": round(self.dollars_idle, 2),
            "dollars_idle_free": round(self.dollars_idle_free, 2),
            "dollars_per_million": None if million is None else round(million, 2),
            "missing": self.missing,
            "lines": [line.as_json() for line in self.lines],
        }


@dataclass(frozen=True)
class Bill:
    """What lines are made with: prices by name, what a photo takes, and what is deployed."""

    photos: int
    photo: Photo = field(default_factory=Photo)
    # What is given to the templates, by name; all else is as it is by default.
    parameters: tuple[tuple[str, str], ...] = ()
    prices: Mapping[str, Price] = field(default_factory=lambda: prices()[1])

    def line(self, service: str, what: str, quantity: float, price: str, *, idle: bool = False) -> Line:
        """A quantity times its price."""
        known = self.prices.get(price)
        return Line(service, what, quantity, price, None if known is None else quantity * known.dollars, idle)

    @property
    def templates(self) -> tuple[dict[str, Any], ...]:
        """The application's template, and those beside it, as they are deployed."""
        return templates(self.parameters)

    def given(self, name: str) -> str:
        """A parameter of the application."""
        return str(self.templates[0]["Parameters"][name])

    @property
    def gb_second(self) -> str:
        """The name of the price of Lambda's time."""
        return "lambda_gb_second_arm64" if self.given("Architecture") == "arm64" else "lambda_gb_second"

    @property
    def function_seconds(self) -> tuple[float, float, float]:
        """How long each function is busy with a photo."""
        photo, memory = self.photo, self.memory_gigabytes(FUNCTIONS[0]) * 1024
        serialize = photo.serialize_processor_seconds * PROCESSOR_MB / memory + photo.serialize_waiting_seconds
        return serialize, photo.classify_seconds, photo.filter_seconds

    def memory_gigabytes(self, function: str) -> float:
        """A function's memory."""
        (resource,) = (each["Resources"][function] for each in self.templates if function in each["Resources"])
        return float(resource["Properties"]["MemorySize"]) / 1024


def prices(path: Path = PRICES) -> tuple[str, dict[str, Price]]:
    """The region and its prices by name."""
    given = tomllib.loads(path.read_text("utf-8"))
    return str(given.pop("region")), {name: Price(**entry) for name, entry in given.items()}


def profiles(photos: int, serverless_dollars_a_second: float | None = None) -> list[Profile]:
    """Every way that is compared; AWS's price of a serverless endpoint counts where it is given."""
    bill = Bill(photos)
    if serverless_dollars_a_second is not None:
        asked = Price(serverless_dollars_a_second, "second", "AWS's price list", date.today())
        bill = Bill(photos, prices={**bill.prices, "sagemaker_serverless_second": asked})
    standard, express = list(_standard(bill)), list(_express(bill))
    instance, serverless = list(_instance(bill)), list(_serverless(bill))
    common, lean_bill = list(_common(bill)), replace(bill, parameters=lean_parameters())
    return [
        Profile("standard-instance", "Standard workflow, an endpoint that runs always: what is deployed by default",
                True, photos, (*standard, *common, *instance)),
        Profile("standard-serverless", "Standard workflow, an endpoint by the request: sagemaker deploy --serverless",
                True, photos, (*standard, *common, *serverless)),
        Profile("express-instance", "WorkflowType=EXPRESS, an endpoint that runs always", True, photos,
                (*express, *common, *instance)),
        Profile("express-serverless", "WorkflowType=EXPRESS, an endpoint by the request", True, photos,
                (*express, *common, *serverless)),
        Profile("lean", "deploy --lean, an endpoint by the request: few alarms, lost photos looked for once a day",
                True, photos, (*_express(lean_bill), *_common(lean_bill), *_serverless(lean_bill))),
        Profile("batch", "One job over photos that lie in S3, records and all", False, photos, tuple(_batch(bill))),
        Profile("rekognition", "Rekognition DetectLabels: its answer alone", False, photos, tuple(_rekognition(bill))),
        Profile("claude-haiku-5.5", "Claude Haiku 5.5 on pictures of 512 pixels: its answer alone", False, photos,
                tuple(_multimodal(bill, "Claude Haiku 5.5", "haiku"))),
        Profile("claude-sonnet-5.5", "Claude Sonnet 5.5 on pictures of 512 pixels: its answer alone", False, photos,
                tuple(_multimodal(bill, "Claude Sonnet 5.5", "sonnet"))),
    ]  # fmt: skip


def answers_dollars(model_id: str | None, photos: int, tokens_in: int, tokens_out: int) -> float | None:
    """What a service's answers alone cost: Rekognition's, or those of a model on Bedrock; None of an unknown price."""
    if model_id is None:
        return sum(line.dollars or 0 for line in _rekognition(Bill(photos)))
    names = [price for part, price in MODEL_PRICES.items() if part in model_id]
    if not names:
        return None
    known = prices()[1]
    return tokens_in * known[f"{names[0]}_input_token"].dollars + tokens_out * known[f"{names[0]}_output_token"].dollars


def second_opinion_dollars(photos: int) -> dict[str, float]:
    """What SecondOpinion adds for so many photos a month, by who is asked."""
    photo = Photo()
    asked = round(photo.doubtful_share * photos)
    tokens = asked * photo.doubtful_tokens_in, asked * photo.tokens_out
    asking = {"rekognition": None, **{f"bedrock:{model}": model for model in MODEL_PRICES}}
    return {name: answers_dollars(model, asked, *tokens) or 0.0 for name, model in asking.items()}


def our_answers_dollars(photos: int) -> float:
    """What the answers alone cost of ours, to so many photos a month: an endpoint that runs always."""
    way = next(each for each in profiles(photos) if each.profile == "standard-instance")
    return sum(line.dollars or 0 for line in way.lines if line.service == "SageMaker")


@dataclass(frozen=True)
class Goal:
    """What classifying should cost at most, in dollars, and what the cheapest way costs."""

    words: str
    limit: float
    profile: str
    # Whether this release has that way.
    offered: bool
    dollars: float
    # A price was not found, so that it is this much at least.
    is_least: bool

    @property
    def reached(self) -> bool | None:
        """Whether it is; None where a missing price decides."""
        if self.dollars > self.limit:
            return False
        return None if self.is_least else True


def goals(profiles: Iterable[Profile]) -> Iterator[Goal]:
    """The three goals, each beside the cheapest way that comes into question."""
    ways = [each for each in profiles if not each.alone and each.photos]
    driven = [each for each in ways if each.profile != "batch"]
    batch = [each for each in ways if each.profile == "batch"]
    for words, limit, among, dollars in (
        ("a million photos, each as it comes", 20.0, driven, lambda each: each.dollars_per_million),
        ("idle, a month", 1.0, driven, lambda each: each.dollars_idle),
        ("a million photos in a batch, beside S3's requests", 6.0, batch, _beside_s3),
    ):
        if among:
            cheapest = min(among, key=dollars)
            yield Goal(words, limit, cheapest.profile, cheapest.offered, dollars(cheapest), bool(cheapest.missing))


def _beside_s3(profile: Profile) -> float:
    requests = sum(line.dollars or 0 for line in profile.lines if line.service == "S3")
    return (profile.dollars_total - requests) / profile.photos * 1e6


def kept_photos_dollars(bill: Bill) -> float:
    """What it costs a month to keep the photos themselves, those that are deleted included until they are gone."""
    days = int(bill.given("UploadRetentionDays")) + NONCURRENT_DAYS
    gigabytes = bill.photos * bill.photo.megabytes / 1000 * days / DAYS_A_MONTH
    return gigabytes * bill.prices["s3_gb_month"].dollars


def kept_records_dollars(bill: Bill) -> float:
    """What it costs a month to keep their records, in the table and in its index; without the table's backup."""
    days = int(bill.given("ResultsRetentionDays"))
    gigabytes = bill.photos * 2 * bill.photo.record_bytes / 1e9 * days / DAYS_A_MONTH
    return gigabytes * bill.prices["dynamodb_gb_month"].dollars


# ---- how often what is asked -----------------------------------------------------------------------------------------


def way_of_a_classified_photo(machine: Mapping[str, Any]) -> list[str]:
    """The states of a photo that is classified and announced, in their order; each is a transition."""
    states, name, way = machine["States"], machine["StartAt"], []
    while True:
        way.append(name)
        state = states[name]
        if state.get("End") or state["Type"] in ("Succeed", "Fail"):
            return way
        name = state["Next"]


def alarm_metrics(templates: Iterable[Mapping[str, Any]]) -> int:
    """How many metrics the alarms of these templates read, which is what CloudWatch bills."""
    alarms = [
        resource["Properties"]
        for template in templates
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    return sum(
        sum("MetricStat" in metric for metric in alarm["Metrics"]) if "Metrics" in alarm else 1 for alarm in alarms
    )


@cache
def machine() -> dict[str, Any]:
    """The state machine of a photo."""
    definition: dict[str, Any] = json.loads(MACHINE.read_text("utf-8"))
    return definition


@cache
def templates(parameters: tuple[tuple[str, str], ...] = ()) -> tuple[dict[str, Any], ...]:
    """The application's template, and those of the applications beside it, as CloudFormation reads them with these."""
    return tuple(resolved(parsed((room / "template.yaml").read_text("utf-8")), dict(parameters)) for room in ROOMS)


def lean_parameters() -> tuple[tuple[str, str], ...]:
    """What samconfig.toml's environment `lean` gives the application and those beside it; no two disagree."""
    return tuple({name: value for room in ROOMS for name, value in lean.parameters(room).items()}.items())


def lines_as_deployed(photos: int, parameters: Mapping[str, str], *, is_serverless: bool) -> tuple[Line, ...]:
    """The bill of an application that was deployed with these parameters."""
    beside = lean_parameters() if parameters.get("Watch") == "lean" else ()
    bill = Bill(photos, parameters=tuple({**dict(beside), **parameters}.items()))
    workflow = _express if bill.given("WorkflowType") == "EXPRESS" else _standard
    return (*workflow(bill), *_common(bill), *(_serverless if is_serverless else _instance)(bill))


def runs_a_month(schedule: str) -> float:
    """How often a schedule comes round; one that names hours comes once a day."""
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    return HOURS_A_MONTH / (int(rate[1]) * HOURS[rate[2]] if rate else HOURS["day"])


# ---- the lines -------------------------------------------------------------------------------------------------------


def _standard(bill: Bill) -> Iterator[Line]:
    steps = len(way_of_a_classified_photo(machine()))
    yield bill.line("Step Functions", f"{steps} transitions a photo", steps * bill.photos, "step_functions_transition")


def _express(bill: Bill) -> Iterator[Line]:
    seconds = sum(bill.function_seconds) + bill.photo.workflow_seconds
    billed = math.ceil(round(seconds / EXPRESS_SECONDS, 6)) * EXPRESS_SECONDS
    yield bill.line("Step Functions", "a request a photo", bill.photos, "step_functions_express_request")
    yield bill.line(
        "Step Functions",
        f"{billed:.1f} s of 64 MB a photo",
        billed * EXPRESS_GB * bill.photos,
        "step_functions_express_gb_second",
    )


def _common(bill: Bill) -> Iterator[Line]:
    """What is the same whatever the workflow is and whoever answers."""
    yield from _functions(bill)
    yield from _around(bill)
    yield from _join(bill)
    yield from _watch(bill)


def _functions(bill: Bill) -> Iterator[Line]:
    seconds = zip(FUNCTIONS, bill.function_seconds, strict=True)
    gb_seconds = sum(bill.memory_gigabytes(name) * each for name, each in seconds)
    yield bill.line("Lambda", f"{len(FUNCTIONS)} calls a photo", len(FUNCTIONS) * bill.photos, "lambda_request")
    yield bill.line("Lambda", f"{gb_seconds:.3f} GB-seconds a photo", gb_seconds * bill.photos, bill.gb_second)


def _around(bill: Bill) -> Iterator[Line]:
    photo, way = bill.photo, way_of_a_classified_photo(machine())
    writes = sum("DynamoDB" in str(machine()["States"][name].get("Resource", "")) for name in way)
    units = writes * photo.write_units
    yield bill.line("DynamoDB", f"{units} write units a photo", units * bill.photos, "dynamodb_write")
    yield bill.line("EventBridge", "an announcement a photo", bill.photos, "eventbridge_event")
    yield bill.line("S3", "the upload's own request", bill.photos, "s3_put")
    yield bill.line("S3", f"{photo.reads} request to read it", photo.reads * bill.photos, "s3_get")
    if log_bytes := logged(bill):
        yield bill.line(
            "CloudWatch", f"{log_bytes:,} bytes of logs a photo", log_bytes * bill.photos / 1e9, "cloudwatch_logs_gb"
        )
    if bill.templates[0]["Resources"]["ClassifyVehicleStateMachine"]["Properties"]["Tracing"]["Enabled"]:
        # X-Ray's default rule, and photos that come evenly.
        every_second = min(bill.photos, HOURS_A_MONTH * 3600)
        traced = every_second + TRACED_BEYOND * (bill.photos - every_second)
        yield bill.line("X-Ray", "one trace a second, and 5 % of the rest", traced, "xray_trace")


def logged(bill: Bill) -> int:
    """Bytes of logs about a photo that meets no fault."""
    photo, function = bill.photo, bill.templates[0]["Globals"]["Function"]
    written = (
        (photo.own_log_bytes, function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == "INFO"),
        (photo.metrics_log_bytes, counts(bill)),
        (photo.lambda_log_bytes, function["LoggingConfig"]["LogFormat"] == "Text"),
    )
    return sum(size for size, is_written in written if is_written)


def counts(bill: Bill) -> bool:
    """Whether the functions count metrics of their own."""
    return bool(
        bill.templates[0]["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_DISABLED"] == "false"
    )


def _join(bill: Bill) -> Iterator[Line]:
    """Reconciling's sweep: of all versions that lie there while they are few enough for one run."""
    runs = joins_a_month(bill)
    gigabytes = bill.memory_gigabytes("FindGapsFunction")
    # With nothing to do a run takes a second.
    yield bill.line("Reconciling", "runs of its function", runs * gigabytes, bill.gb_second, idle=True)
    if not bill.photos:
        return
    days = int(bill.given("UploadRetentionDays")) + NONCURRENT_DAYS
    swept = min(bill.photos * days / DAYS_A_MONTH, MOST_SWEPT_A_RUN)
    seconds = runs * swept / SWEPT_A_SECOND + bill.photos / LOOKED_UP_A_SECOND
    pages = runs * math.ceil(swept / VERSIONS_A_PAGE)
    yield bill.line("Reconciling", "pages of the bucket listed, at each run anew", pages, "s3_put")
    yield bill.line("Reconciling", "GB-seconds of its sweeps", seconds * gigabytes, bill.gb_second)
    yield bill.line("Reconciling", "half a read unit to look up each photo", bill.photos / 2, "dynamodb_read")


def joins_a_month(bill: Bill) -> float:
    """How often the bucket is swept."""
    (schedule,) = (
        each["Parameters"]["JoinSchedule"] for each in bill.templates if "JoinSchedule" in each["Parameters"]
    )
    return runs_a_month(schedule)


def _watch(bill: Bill) -> Iterator[Line]:
    # Those of the endpoint are made with it.
    read = alarm_metrics(bill.templates) + len(ALARMS)
    dashboards = sum(
        resource["Type"] == "AWS::CloudWatch::Dashboard"
        for template in bill.templates
        for resource in template["Resources"].values()
    )
    yield bill.line("CloudWatch", f"{read} metrics that alarms read", read, "cloudwatch_alarm_metric", idle=True)
    if dashboards:
        yield bill.line("CloudWatch", f"{dashboards} dashboards", dashboards, "cloudwatch_dashboard", idle=True)
    checks = HOURS_A_MONTH / HOURS["day"]
    hours = JOIN_METRICS * min(joins_a_month(bill), HOURS_A_MONTH) + CHECK_METRICS * checks
    words = f"{JOIN_METRICS} metrics of the join and {CHECK_METRICS} of the check, in the hours of their runs"
    yield bill.line("CloudWatch", words, hours / HOURS_A_MONTH, "cloudwatch_metric", idle=True)
    # Those of a second opinion are counted only where one is asked for.
    names = [name for name in vars(telemetry) if name.isupper() and not name.startswith(("_", "SECOND"))]
    ours = len(names) - names.count("NAMESPACE")
    if bill.photos and counts(bill):
        yield bill.line("CloudWatch", f"{ours} metrics of our own", ours, "cloudwatch_metric")
    yield bill.line("SageMaker", "the serving image, 0.3 GB", 0.3, "ecr_gb_month", idle=True)


def _instance(bill: Bill) -> Iterator[Line]:
    needed = math.ceil(bill.photos / (bill.photo.answered_a_second * HOURS_A_MONTH * 3600))
    hour = "sagemaker_instance_hour"
    yield bill.line("SageMaker", "one ml.m5.xlarge, always", HOURS_A_MONTH, hour, idle=True)
    if needed > 1:
        more = (needed - 1) * HOURS_A_MONTH
        yield bill.line("SageMaker", f"{needed - 1} more under load", more, hour)
    yield bill.line("CloudWatch", "alarms of auto scaling", SCALING_ALARMS, "cloudwatch_alarm_metric", idle=True)
    yield from _asked(bill)
    yield from _captured(bill, "at worst", 1.0)


def _asked(bill: Bill) -> Iterator[Line]:
    sent = bill.photo.input_bytes * bill.photos / 1e9
    yield bill.line("SageMaker", "GB into the endpoint", sent, "sagemaker_gb")


def _captured(bill: Bill, by: str, share: float) -> Iterator[Line]:
    captured = share * bill.photos
    yield bill.line("S3", f"captured pictures, a file each {by}", captured, "s3_put")
    kept = captured * bill.photo.captured_bytes / 1e9
    yield bill.line("S3", "captured pictures, kept for 30 days", kept, "s3_gb_month")


def _serverless(bill: Bill) -> Iterator[Line]:
    # SageMaker captures nothing there, so the function does: as many as CapturePercent says.
    yield from _captured(bill, "by the function", float(bill.given("CapturePercent")) / 100)
    yield from _asked(bill)
    words = f"{bill.photo.answer_seconds:g} s of {Serverless().memory_mb} MB a photo"
    yield bill.line("SageMaker", words, bill.photo.answer_seconds * bill.photos, "sagemaker_serverless_second")


def _batch(bill: Bill) -> Iterator[Line]:
    photo = bill.photo
    # The picture is made ready on the same four processors that predict.
    seconds = bill.photos * (1 / photo.answered_a_second + photo.serialize_processor_seconds / 4)
    yield bill.line("SageMaker", "hours of ml.m5.xlarge", seconds / 3600, "sagemaker_instance_hour")
    yield bill.line(
        "DynamoDB", f"{photo.write_units} write units a photo", photo.write_units * bill.photos, "dynamodb_write"
    )
    yield bill.line("S3", "a request to read each", bill.photos, "s3_get")


def _rekognition(bill: Bill) -> Iterator[Line]:
    first = min(bill.photos, 1_000_000)
    yield bill.line("Rekognition", "pictures, the first million", first, "rekognition_image")
    if bill.photos > first:
        yield bill.line("Rekognition", "pictures beyond", bill.photos - first, "rekognition_image_beyond")


def _multimodal(bill: Bill, model: str, price: str) -> Iterator[Line]:
    into, out = bill.photo.tokens_in, bill.photo.tokens_out
    yield bill.line(model, f"{into} tokens in a photo", into * bill.photos, f"{price}_input_token")
    yield bill.line(model, f"{out} tokens out a photo", out * bill.photos, f"{price}_output_token")
