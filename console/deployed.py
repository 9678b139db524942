"""What the page needs to know of an application: where its parts are, and clients that reach them."""

from typing import Any, Protocol

from monitoring.holding import Desk
from vehiclevision.results import ResultsTable


class Deployed(Protocol):
    """A deployed application, on this machine or in AWS."""

    @property
    def stack(self) -> str:
        """What it is called."""
        ...

    @property
    def region(self) -> str:
        """Where it is."""
        ...

    @property
    def options(self) -> str:
        """What to add to a command so that it works on this application too."""
        ...

    @property
    def results(self) -> ResultsTable:
        """Its results table."""
        ...

    def output(self, name: str) -> str:
        """One output of its stack."""
        ...

    def write_captures(self) -> None:
        """Have what the endpoint captured written down now, where that can be asked for."""
        ...

    def client(self, service: str) -> Any:
        """A boto3 client of the named service, safe to share between threads."""
        ...


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
