"""How the model does in use: monitoring's report of the last week, made while the page goes on."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from console.deployed import Deployed
from monitoring.captures.source import Window
from monitoring.report import origin
from monitoring.report.figures import Standing
from monitoring.report.origin import Choice
from monitoring.report.report import pictures, report
from monitoring.report.standing import standing

WEEK: Final = timedelta(days=7)


@dataclass(frozen=True)
class InUse:
    """The report's first sentence with its reasons, and its page."""

    made_at: datetime
    standing: Standing
    html: str


def week(deployed: Deployed) -> InUse:
    """The last seven days; SourceError where the endpoint captures nothing."""
    # matplotlib takes a second that no other page need wait for.
    from monitoring.report.page import page  # noqa: PLC0415

    deployed.write_captures()
    now = datetime.now(UTC)
    own = origin.of_application(
        deployed.client,
        deployed.stack,
        deployed.output("BucketName"),
        deployed.results,
        endpoint=None,
        threshold=None,
        labels=None,
    )
    choice = Choice(since=now - WEEK, until=now, window=Window(now - WEEK, now))
    read = origin.with_looks(origin.read(own, choice, None, lambda done, total: None))
    figures = report(read)
    return InUse(now, standing(figures), page(figures, pictures(read, figures)))
