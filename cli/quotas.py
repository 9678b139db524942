"""What was looked at before anything is made, and the limits of a new account among it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.explanations import of_aws
from lifecycle import jobs
from lifecycle.endpoint import DEFAULT_INSTANCE
from lifecycle.images import BUILTIN, OWN
from vehiclevision.storage import listed

OK: Final = "ok"
WARNING: Final = "warning"
BLOCKED: Final = "blocked"
# How Service Quotas names the limits that the commands run into.
QUOTAS: Final = (
    (f"{jobs.DEFAULT_INSTANCES[OWN]} for training job usage", f"training `own` on {jobs.DEFAULT_INSTANCES[OWN]}"),
    (f"{jobs.DEFAULT_INSTANCES[OWN]} for spot training job usage", "the same on spot capacity; else use --no-spot"),
    (f"{jobs.DEFAULT_INSTANCES[BUILTIN]} for training job usage", "SageMaker's built-in algorithm"),
    (f"{jobs.DEFAULT_INSTANCES[BUILTIN]} for spot training job usage", "the same on spot capacity; else use --no-spot"),
    (f"{DEFAULT_INSTANCE} for endpoint usage", f"the endpoint on {DEFAULT_INSTANCE}"),
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: str
    sentence: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """For the next program."""
        return {"what": self.what, "state": self.state, "finding": self.sentence, "remedy": self.remedy}


def account_quotas(service_quotas: Any) -> Iterator[Finding]:
    """The limits that the commands run into; a new account's are often 0."""
    try:
        limits = _limits(service_quotas)
    except (BotoCoreError, ClientError) as error:
        yield Finding(
            "quotas", WARNING, of_aws(error).message, "Look into Service Quotas, Amazon SageMaker, in the console."
        )
        return
    for name, purpose in QUOTAS:
        value = limits.get(name)
        if value is None:
            yield Finding(name, WARNING, f"AWS does not say what the quota `{name}` is.", "Look into Service Quotas.")
        elif name.endswith("for endpoint usage") and 1 <= value < 2:
            yield Finding(
                name,
                WARNING,
                f"The quota `{name}` is 1: enough to deploy, not to update without a gap, which takes two at a time.",
                f"Ask for 2 in the console: Service Quotas, Amazon SageMaker, `{name}`.",
            )
        elif value >= 1:
            yield Finding(name, OK, f"The quota `{name}` is {value:.0f}, enough for {purpose}.")
        else:
            yield Finding(
                name,
                WARNING if "spot" in name or jobs.DEFAULT_INSTANCES[BUILTIN] in name else BLOCKED,
                f"The quota `{name}` is 0, which {purpose} needs.",
                f"Ask for 1 in the console: Service Quotas, Amazon SageMaker, `{name}`. It takes a day or two.",
            )


def _limits(service_quotas: Any) -> dict[str, float]:
    """Each quota's value by its name: the account's own where it has one, else AWS's default."""
    limits: dict[str, float] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        quotas = listed(service_quotas, operation, "Quotas", ServiceCode="sagemaker")
        limits |= {quota["QuotaName"]: float(quota["Value"]) for quota in quotas}
    return limits
