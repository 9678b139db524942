"""What so many photos a month cost, line by line: list prices, no free allowances, one region.

How often each service is asked follows from the state machine and the templates themselves; what a photo takes of it is
in `Photo`, with the reason. What AWS stores of the photos is told apart: it depends on nothing but their size.
"""

import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from lifecycle.endpoint import Serverless
from lifecycle.prices import HOURS_A_MONTH
from vehiclevision import telemetry

PRICES: Final = Path(__file__).with_name("prices.toml")
CHECKOUT: Final = Path(__file__).parents[1]
MACHINE: Final = CHECKOUT / "statemachine" / "classify_vehicle.asl.json"
# The functions of the way of one photo, by the state that calls each.
FUNCTIONS: Final = ("SerializeImageFunction", "ClassifyImageFunction", "FilterInferencesFunction")
# Express bills memory in such steps, and time in such.
EXPRESS_GB: Final = 64 / 1024
EXPRESS_SECONDS: Final = 0.1
# X-Ray's default rule beyond one trace a second.
TRACED_BEYOND: Final = 0.05
# What reconciling's sweep reads in a second of CPU, and in an hourly run at most: docs/decisions/0019.
SWEPT_A_SECOND: Final = 5_700
LOOKED_UP_A_SECOND: Final = 2_200
MOST_SWEPT_AN_HOUR: Final = 2_000_000
VERSIONS_A_PAGE: Final = 1_000
DAYS_A_MONTH: Final = 30
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
    # The image gate needs 0.15 s of a processor for it; at 1,024 MB Lambda gives 1,024/1,769 of one. S3 takes the rest.
    serialize_seconds: float = 0.40
    # 18 ms of the endpoint's processor, and the network both ways.
    classify_seconds: float = 0.10
    filter_seconds: float = 0.01
    # The steps of the workflow beside the functions: record, announcement and note.
    workflow_seconds: float = 0.30
    # An item of at most 1 KB, in the table and in its index.
    write_units: int = 2
    # HEAD for whether a newer version is there, and GET.
    reads: int = 2
    # A line of our own, one of metrics, and Lambda's three, in each of three functions.
    log_bytes: int = 4_500
    # Captured in base64 with its answer, a file each at worst, kept for 30 days.
    captured_bytes: int = 40_000
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
        return {
            "service": self.service, "what": self.what, "quantity": self.quantity, "price": self.price,
            "dollars": None if self.dollars is None else round(self.dollars, 4), "idle": self.idle,
        }  # fmt: skip


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
    """What lines are made with: prices by name, and what a photo takes."""

    photos: int
    photo: Photo = field(default_factory=Photo)
    prices: Mapping[str, Price] = field(default_factory=lambda: prices()[1])

    def line(self, service: str, what: str, quantity: float, price: str, *, idle: bool = False) -> Line:
        """A quantity times its price."""
        known = self.prices.get(price)
        return Line(service, what, quantity, price, None if known is None else quantity * known.dollars, idle)


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
    common = [*_functions(bill), *_around(bill), *_join(bill), *_watch(bill)]
    return [
        Profile("standard-instance", "Standard workflow, an endpoint that runs always: what is deployed by default",
                True, photos, (*standard, *common, *instance)),
        Profile("standard-serverless", "Standard workflow, an endpoint by the request: sagemaker deploy --serverless",
                True, photos, (*standard, *common, *serverless)),
        Profile("express-instance", "WorkflowType=EXPRESS, an endpoint that runs always", True, photos,
                (*express, *common, *instance)),
        Profile("express-serverless", "WorkflowType=EXPRESS, an endpoint by the request", True, photos,
                (*express, *common, *serverless)),
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


def goals(found: Iterable[Profile]) -> Iterator[Goal]:
    """The three goals, each beside the cheapest way that comes into question."""
    ways = [each for each in found if not each.alone and each.photos]
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


def kept_photos_dollars(bill: Bill, days: int) -> float:
    """What it costs a month to keep the photos themselves for so many days."""
    gigabytes = bill.photos * bill.photo.megabytes / 1000
    return gigabytes * days / 30 * bill.prices["s3_gb_month"].dollars


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
def templates() -> tuple[dict[str, Any], ...]:
    """The application's template, and those of the applications beside it."""
    rooms = (CHECKOUT, *(CHECKOUT / room for room in ("monitoring", "retraining", "reconciling", "backfilling")))
    return tuple(yaml_parse((room / "template.yaml").read_text("utf-8")) for room in rooms)


def memory_gigabytes(function: str) -> float:
    """A function's memory, as the template that has it gives it."""
    (resource,) = (each["Resources"][function] for each in templates() if function in each["Resources"])
    return float(resource["Properties"]["MemorySize"]) / 1024


# ---- the lines -------------------------------------------------------------------------------------------------------


def _standard(bill: Bill) -> Iterator[Line]:
    steps = len(way_of_a_classified_photo(machine()))
    yield bill.line("Step Functions", f"{steps} transitions a photo", steps * bill.photos, "step_functions_transition")


def _express(bill: Bill) -> Iterator[Line]:
    photo = bill.photo
    seconds = photo.serialize_seconds + photo.classify_seconds + photo.filter_seconds + photo.workflow_seconds
    billed = math.ceil(round(seconds / EXPRESS_SECONDS, 6)) * EXPRESS_SECONDS
    yield bill.line("Step Functions", "a request a photo", bill.photos, "step_functions_express_request")
    yield bill.line(
        "Step Functions",
        f"{billed:.1f} s of 64 MB a photo",
        billed * EXPRESS_GB * bill.photos,
        "step_functions_express_gb_second",
    )


def _functions(bill: Bill) -> Iterator[Line]:
    seconds = (bill.photo.serialize_seconds, bill.photo.classify_seconds, bill.photo.filter_seconds)
    gb_seconds = sum(memory_gigabytes(name) * each for name, each in zip(FUNCTIONS, seconds, strict=True))
    yield bill.line("Lambda", f"{len(FUNCTIONS)} calls a photo", len(FUNCTIONS) * bill.photos, "lambda_request")
    yield bill.line("Lambda", f"{gb_seconds:.3f} GB-seconds a photo", gb_seconds * bill.photos, "lambda_gb_second")


def _around(bill: Bill) -> Iterator[Line]:
    photo, way = bill.photo, way_of_a_classified_photo(machine())
    writes = sum("DynamoDB" in str(machine()["States"][name].get("Resource", "")) for name in way)
    units = writes * photo.write_units
    yield bill.line("DynamoDB", f"{units} write units a photo", units * bill.photos, "dynamodb_write")
    yield bill.line("EventBridge", "an announcement a photo", bill.photos, "eventbridge_event")
    yield bill.line("S3", "the upload's own request", bill.photos, "s3_put")
    yield bill.line("S3", f"{photo.reads} requests to read it", photo.reads * bill.photos, "s3_get")
    gigabytes = photo.log_bytes * bill.photos / 1e9
    yield bill.line("CloudWatch", f"{photo.log_bytes:,} bytes of logs a photo", gigabytes, "cloudwatch_logs_gb")
    # X-Ray's default rule, and photos that come evenly.
    every_second = min(bill.photos, HOURS_A_MONTH * 3600)
    traced = every_second + TRACED_BEYOND * (bill.photos - every_second)
    yield bill.line("X-Ray", "one trace a second, and 5 % of the rest", traced, "xray_trace")


def _join(bill: Bill) -> Iterator[Line]:
    """Reconciling's sweep, each hour: of all versions that lie there while they are few enough for one run."""
    if not bill.photos:
        return
    days = int(templates()[0]["Parameters"]["UploadRetentionDays"]["Default"])
    swept = min(bill.photos * days / DAYS_A_MONTH, MOST_SWEPT_AN_HOUR)
    gigabytes = memory_gigabytes("FindGapsFunction")
    seconds = HOURS_A_MONTH * swept / SWEPT_A_SECOND + bill.photos / LOOKED_UP_A_SECOND
    pages = HOURS_A_MONTH * math.ceil(swept / VERSIONS_A_PAGE)
    yield bill.line("Reconciling", "pages of the bucket listed, each hour anew", pages, "s3_put")
    yield bill.line("Reconciling", "GB-seconds of its function", seconds * gigabytes, "lambda_gb_second")
    yield bill.line("Reconciling", "half a read unit to look up each photo", bill.photos / 2, "dynamodb_read")


def _watch(bill: Bill) -> Iterator[Line]:
    read, dashboards = alarm_metrics(templates()), 2
    # Those of a second opinion are counted only where one is asked for.
    names = [name for name in vars(telemetry) if name.isupper() and not name.startswith(("_", "SECOND"))]
    ours = len(names) - names.count("NAMESPACE")
    yield bill.line("CloudWatch", f"{read} metrics that alarms read", read, "cloudwatch_alarm_metric", idle=True)
    yield bill.line("CloudWatch", f"{dashboards} dashboards", dashboards, "cloudwatch_dashboard", idle=True)
    if bill.photos:
        yield bill.line("CloudWatch", f"{ours} metrics of our own", ours, "cloudwatch_metric")


def _instance(bill: Bill) -> Iterator[Line]:
    needed = math.ceil(bill.photos / (bill.photo.answered_a_second * HOURS_A_MONTH * 3600))
    hour = "sagemaker_instance_hour"
    yield bill.line("SageMaker", "one ml.m5.xlarge, always", HOURS_A_MONTH, hour, idle=True)
    if needed > 1:
        more = (needed - 1) * HOURS_A_MONTH
        yield bill.line("SageMaker", f"{needed - 1} more under load", more, hour)
    yield from _captured(bill, "at worst")


def _captured(bill: Bill, by: str) -> Iterator[Line]:
    captured = bill.photo.captured_bytes * bill.photos
    yield bill.line("S3", f"captured pictures, a file each {by}", bill.photos, "s3_put")
    yield bill.line("S3", "captured pictures, kept for 30 days", captured / 1e9, "s3_gb_month")


def _serverless(bill: Bill) -> Iterator[Line]:
    # SageMaker captures nothing there, so the function does: every photo, unless CapturePercent says less.
    yield from _captured(bill, "by the function")
    words = f"{bill.photo.classify_seconds:g} s of {Serverless().memory_mb} MB a photo"
    yield bill.line("SageMaker", words, bill.photo.classify_seconds * bill.photos, "sagemaker_serverless_second")


def _batch(bill: Bill) -> Iterator[Line]:
    photo = bill.photo
    # The picture is made ready on the same four processors that predict.
    seconds = bill.photos * (1 / photo.answered_a_second + 0.15 / 4)
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
