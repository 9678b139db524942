"""The README's way through an account in AWS, as commands: a model, its endpoint, the application, photos, nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lifecycle import costs

STACK: Final = "vehiclevision-live"
# The endpoint runs from its deployment to the teardown, which begins after so long at the latest.
LONGEST_HOURS: Final = 1.0
# AWS CodeBuild builds the serving image on general1.small; dollars a minute in us-east-1.
BUILD_MINUTES: Final = 20
BUILD_DOLLARS: Final = 0.005
CEILING_VARIABLE: Final = "VEHICLEVISION_LIVE_DOLLARS"
SWITCH: Final = "VEHICLEVISION_LIVE"


@dataclass(frozen=True)
class Step:
    """One command, and what it is for."""

    words: str
    command: tuple[str, ...]


def there(model: Path, photos: Sequence[Path]) -> list[Step]:
    """From an empty account to classified photos."""
    account = ("--aws", "--stack", STACK, "--yes", "--json")
    return [
        Step("what AWS says beforehand", ("rehearse", "--aws", "--stack", STACK, "--json")),
        Step("the model and its image", ("sagemaker", "register", "--model", str(model), *account)),
        Step("the model approved", ("sagemaker", "approve", "--latest", *account)),
        Step("the endpoint", ("sagemaker", "deploy", "--latest", *account)),
        Step("the application", ("deploy", *account)),
        Step("photos", ("drop", *map(str, photos), "--stack", STACK, "--json")),
        Step("what was recorded", ("results", "--stack", STACK, "--json")),
    ]


def back() -> Step:
    """Back to nothing."""
    words = ("sagemaker", "teardown", "--application", "--aws", "--stack", STACK, "--yes", "--json")
    return Step("everything taken away", words)


def dollars_at_most(photos: int) -> float:
    """What it may cost: the longest that the endpoint runs, the longest build, and the photos' own lines."""
    bill = next(each for each in costs.profiles(photos) if each.profile == "standard-instance")
    hour = costs.prices()[1]["sagemaker_instance_hour"].dollars
    return LONGEST_HOURS * hour + BUILD_MINUTES * BUILD_DOLLARS + bill.dollars_total - bill.dollars_idle


def refusal(environment: Mapping[str, str], photos: int) -> str:
    """Why it is not done; empty if it is switched on and within what may be spent."""
    if environment.get(SWITCH) != "1":
        return f"costs money in an account: set {SWITCH}=1, and {CEILING_VARIABLE} to what it may cost"
    ceiling, most = float(environment.get(CEILING_VARIABLE, "0")), dollars_at_most(photos)
    return "" if most <= ceiling else f"may cost ${most:.2f}, and {CEILING_VARIABLE} allows ${ceiling:.2f}"
