"""The `sagemaker` commands: what they ask, print, refuse and return."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.commands.sagemaker import approve, deploy, describe, register, rollback, teardown, train, tune
from cli.errors import CommandError
from cli.explanations import explain
from cli.main import main
from cli.sagemaker import Algorithm, Connection, Dialogue, SageMakerAccount, TrainingOptions
from cli.target import Target
from lifecycle import foundation
from lifecycle.endpoint import Hosting, Serverless
from lifecycle.prices import Price, hosting_words, price, read_answer, training_words
from lifecycle.site import Aws
from local import stack
from tests.unit.lifecycle.fake_aws import REGION, FakeAws
from tests.unit.lifecycle.steps import MODEL, stage
from training.artefact import DEFAULT_MODEL, load_model
from training.errors import ModelRefusedError

# The threshold that the shipped model brings along.
SHIPPED = load_model(DEFAULT_MODEL).manifest.threshold

YES = Dialogue(yes=True, as_json=True)
IMAGE = "1.dkr.ecr/image-classification:1"


@dataclass(frozen=True)
class Reached(SageMakerAccount):
    """An account that need not be looked for."""

    connection: Connection | None = None

    def connect(self, kms_key: str | None = None) -> Connection:
        assert self.connection is not None
        return self.connection

    @property
    def aws_here(self) -> Aws:
        assert self.connection is not None
        return self.connection.aws


@pytest.fixture
def here(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Reached:
    """The local AWS, as far as the commands tell it apart: it costs nothing, and none is started."""
    monkeypatch.setattr(stack, "start", lambda directory, tell: None)
    session = boto3.session.Session("testing", "testing", region_name=REGION)
    target = Target("vehiclevision", REGION, {}, session, "http://127.0.0.1:1")
    return Reached(connection=Connection(target, fake.aws(), ""))


@pytest.fixture
def there(fake: FakeAws) -> Reached:
    """An account in AWS; its price list cannot be reached, as without the right to ask it."""
    session = boto3.session.Session("testing", "testing", region_name=REGION)
    target = Target("vehiclevision", REGION, {}, _NoPrices(session))  # type: ignore[arg-type]
    return Reached(connection=Connection(target, fake.aws(), f" --aws --region {REGION}"))


class _NoPrices:
    def __init__(self, session: boto3.session.Session) -> None:
        self.region_name = session.region_name

    def client(self, service: str, **_: Any) -> Any:
        assert service == "pricing"


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_the_commands_one_after_the_other(
    here: Reached, fake: FakeAws, second_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Register, approve, deploy, again, roll back, describe, take down: each says in JSON what the next needs."""
    for model in (MODEL, second_model):
        assert register.command(dialogue=Dialogue(as_json=True), account=here, model=model) == 0
        assert printed(capsys)["status"] == "PendingManualApproval"
        assert approve.command(dialogue=YES, account=here, reason="fine") == 0
        assert printed(capsys)["status"] == "Approved"
        assert deploy.command(dialogue=YES, account=here) == 0
        deployed = printed(capsys)

    assert deployed["version"] == 2
    assert deployed["parameter_overrides"] == f"EndpointName=vehiclevision ConfidenceThreshold={SHIPPED}"
    assert rollback.command(YES, here) == 0
    assert printed(capsys)["version"] == 1
    assert describe.command(here, as_json=True) == 0
    facts = printed(capsys)
    assert (facts["endpoint_status"], facts["version"], facts["threshold"]) == ("InService", 1, SHIPPED)
    assert facts["capture"] is True
    assert teardown.command(account=here, dry_run=True, yes=True, as_json=True) == 0
    assert printed(capsys)["deleted"] == []
    assert teardown.command(account=here, yes=True, as_json=True) == 0
    assert printed(capsys)["left"] == []
    assert fake.leftovers == []
    assert teardown.command(account=here, yes=True, as_json=True) == 0


def test_the_commands_in_words(here: Reached, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json each step says what was done and which command is next."""
    register.command(dialogue=Dialogue(), account=here, model=MODEL)
    approve.command(dialogue=Dialogue(yes=True), account=here)
    deploy.command(dialogue=Dialogue(yes=True), account=here)
    describe.command(here)

    said = capsys.readouterr().out
    assert "sagemaker approve --version 1" in said
    assert "sagemaker deploy --latest" in said
    assert "The endpoint vehiclevision serves version 1, model " in said
    assert "Approved: own model" in said


def test_a_dry_run_prints_every_request_and_sends_none(
    there: Reached, fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    """--print-requests shows exactly what would be sent, for both algorithms, tuning and deployment."""
    foundation.ensure(there.aws_here)
    stage(there.aws_here)
    register.command(dialogue=YES, account=there, model=MODEL)
    approve.command(dialogue=Dialogue(yes=True), account=there)
    capsys.readouterr()
    dry = Dialogue(print_requests=True)
    sent = len(fake.calls)

    train.command(training=TrainingOptions(), dialogue=dry, account=there)
    train.command(training=TrainingOptions(Algorithm.BUILTIN, image=IMAGE), dialogue=dry, account=there)
    tune.command(training=TrainingOptions(Algorithm.BUILTIN, image=IMAGE), dialogue=dry, account=there)
    deploy.command(dialogue=dry, account=there)
    requests = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [request["operation"] for request in requests] == [
        "create_training_job", "create_training_job", "create_hyper_parameter_tuning_job",
        "create_model", "create_endpoint_config", "create_log_group", "put_retention_policy",
        "put_metric_alarm", "put_metric_alarm", "create_endpoint", "register_scalable_target", "put_scaling_policy",
    ]  # fmt: skip
    changes = [name for _, name, _ in fake.calls[sent:] if not name.startswith(("Describe", "List", "Get", "Head"))]
    assert changes == []


def test_costs_are_told_and_confirmed(
    there: Reached, fake: FakeAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything billable: what it costs, and a question; where nobody can answer, --yes is asked for."""
    with pytest.raises(CommandError, match="Nobody can answer here"):
        register.command(dialogue=Dialogue(), account=there, model=MODEL)
    assert "$0.005 a minute" in capsys.readouterr().err
    register.command(dialogue=YES, account=there, model=MODEL)
    approve.command(dialogue=Dialogue(yes=True), account=there)
    capsys.readouterr()

    with pytest.raises(CommandError, match="Nobody can answer here") as caught:
        deploy.command(dialogue=Dialogue(), account=there)

    assert "--yes" in caught.value.hint
    said = capsys.readouterr().err
    assert "$168 a month" in said
    assert "whether photos come or not" in said
    assert not fake.things.get("endpoint")


def test_the_built_in_algorithm_is_for_aws(here: Reached, there: Reached) -> None:
    """Asked for locally, it says so and names `own`; in AWS it wants a GPU."""
    with pytest.raises(CommandError, match="container of AWS's") as caught:
        train.command(training=TrainingOptions(Algorithm.BUILTIN), dialogue=YES, account=here)
    with pytest.raises(CommandError, match="on a GPU only"):
        train.command(
            training=TrainingOptions(Algorithm.BUILTIN, instance_type="ml.m5.xlarge"), dialogue=YES, account=there
        )

    assert "--algorithm own" in caught.value.hint


def test_what_is_no_model_is_refused_in_a_sentence(here: Reached, fake: FakeAws, tmp_path: Path) -> None:
    """A file that is no artefact is never uploaded, and the words for it are at hand."""
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"hello")

    with pytest.raises(ModelRefusedError) as caught:
        register.command(dialogue=Dialogue(), account=here, model=path)

    explained = explain(caught.value)
    assert explained is not None
    assert "is refused" in explained.message
    assert not fake.things.get("model-package")


def test_a_job_can_be_started_and_left(here: Reached, capsys: pytest.CaptureFixture[str], fake: FakeAws) -> None:
    """--no-wait returns at once; the same command finds the job."""
    foundation.ensure(here.aws_here)
    stage(here.aws_here)
    for _ in range(2):
        assert train.command(training=TrainingOptions(no_wait=True), dialogue=YES, account=here) == 0
    names = {json.loads(line)["training_job"] for line in capsys.readouterr().out.splitlines()}

    assert names == set(fake.things["training-job"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy", "--latest", "--version", "2"),
        ("approve", "--latest", "--version", "2"),
        ("register", "--latest", "--job", "x"),
        ("deploy", "--version", "0"),
        ("rollback", "--version", "32b078"),
        ("deploy", "--capture", "101"),
        ("train", "--algorithm", "magic"),
        ("no-such-command",),
    ],
)
def test_mistakes_in_the_command_line_give_two(arguments: tuple[str, ...]) -> None:
    """A usage mistake is exit code 2, before anything is asked of anybody."""
    assert main(["sagemaker", *arguments]) == 2


# ---- what it costs ---------------------------------------------------------------------------------------------------


def _product(usage: str, dollars: str) -> str:
    terms = {"OnDemand": {"x": {"priceDimensions": {"y": {"unit": "Hrs", "pricePerUnit": {"USD": dollars}}}}}}
    return json.dumps({"product": {"attributes": {"usagetype": usage}}, "terms": terms})


def test_the_price_list_is_read() -> None:
    """Hosting and training have prices of their own, told apart by the usage type."""
    products = [_product("EUC1-Train:ml.m5.xlarge", "0.9"), _product("EUC1-Host:ml.m5.xlarge", "0.276")]

    assert read_answer(products, "ml.m5.xlarge", "Host") == 0.276
    assert read_answer(products, "ml.m5.xlarge", "Train") == 0.9
    assert read_answer(products, "ml.m5.large", "Host") is None
    assert read_answer([], "ml.m5.xlarge", "Host") is None


def test_a_price_says_where_it_comes_from() -> None:
    """The table's date and region are told, and what nobody knows is said to be unknown."""
    known, unknown = (price(kind, "Host", REGION, None) for kind in ("ml.m5.xlarge", "ml.c7g.large"))

    assert known.dollars_a_month == pytest.approx(167.9)
    assert "us-east-1" in known.source
    assert REGION in known.source
    assert "not known here" in hosting_words(Hosting("ml.c7g.large"), unknown)
    assert "not known here" in training_words("ml.c7g.large", 6, spot=True, price=unknown)


def test_serverless_says_what_is_missing() -> None:
    """No capture, and what follows from that."""
    words = hosting_words(Hosting(serverless=Serverless()), Price(None, ""))

    assert "captures nothing" in words
    assert "drift" in words
