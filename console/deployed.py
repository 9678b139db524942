"""An application as the page and the commands know it: where its parts are, and clients that reach them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.holding import Desk
from vehiclevision.results import ResultsTable


@dataclass(frozen=True)
class Deployed(ABC):
    """A deployed application, by the outputs of its stack."""

    stack: str
    region: str
    outputs: Mapping[str, str]

    @property
    def options(self) -> str:
        """What to add to a command so that it works on this application too."""
        return f" --stack {self.stack} --region {self.region}"

    @property
    def results(self) -> ResultsTable:
        """Its results table."""
        return ResultsTable(self.client("dynamodb"), self.output("ResultsTableName"))

    def output(self, name: str) -> str:
        """One output of its stack."""
        return self.outputs[name]

    def write_captures(self) -> None:  # noqa: B027 - nothing is to be done, as it says
        """Have what the endpoint captured written down now; in AWS it is without being asked for."""

    @abstractmethod
    def client(self, service: str) -> Any:
        """A boto3 client of the named service, safe to share between threads."""


def desk_of(deployed: Deployed) -> Desk:
    """The parts of an application that a review touches."""
    return Desk(
        s3=deployed.client("s3"),
        dynamodb=deployed.client("dynamodb"),
        events=deployed.client("events"),
        bucket=deployed.output("BucketName"),
        table=deployed.output("ResultsTableName"),
        bus=deployed.output("EventBusName"),
    )
