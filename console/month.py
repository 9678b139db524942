"""What this month costs: its photos, counted, at the list prices that `vehiclevision cost` calculates with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from console.deployed import Deployed
from console.ledger import MOST_RECORDS, Ledger
from lifecycle import costs, stacks
from lifecycle.costs import Line
from vehiclevision.record import iso


@dataclass(frozen=True)
class Month:
    """A month until now; AWS's months begin at midnight UTC."""

    began: datetime
    photos: int
    # Whether older photos of this month are not in memory.
    is_least: bool
    # The share of the month that is over.
    elapsed: float
    region: str
    lines: Sequence[Line]

    def so_far(self, service: str = "") -> float:
        """Dollars until now, of one service or of all: what idles is due by the hour."""
        return sum(
            (line.dollars or 0.0) * (self.elapsed if line.idle else 1.0)
            for line in self.lines
            if service in ("", line.service)
        )

    @property
    def whole(self) -> float:
        """Dollars of the whole month, if it goes on as it began."""
        return sum((line.dollars or 0.0) / (1.0 if line.idle else self.elapsed) for line in self.lines)

    @property
    def services(self) -> list[str]:
        """What is asked for money, the dearest first."""
        return sorted({line.service for line in self.lines}, key=lambda service: (-self.so_far(service), service))

    @property
    def missing(self) -> list[str]:
        """The lines for which no price is known."""
        return [f"{line.service}: {line.what}" for line in self.lines if line.dollars is None]


def this_month(deployed: Deployed, ledger: Ledger, *, is_serverless: bool, now: datetime | None = None) -> Month:
    """What the photos that are recorded this month came to, each counted as one that is classified, the dearest."""
    now = now or datetime.now(UTC)
    began = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = began.replace(year=began.year + began.month // 12, month=began.month % 12 + 1)
    records = ledger.newest_first()
    photos = sum((record.recorded_at or "") >= iso(began) for record in records)
    parameters = stacks.parameters(stacks.described(deployed.client, deployed.stack))
    return Month(
        began=began,
        photos=photos,
        is_least=not ledger.is_complete or photos >= MOST_RECORDS,
        elapsed=max((now - began) / (after - began), 1e-6),
        region=costs.prices()[0],
        lines=costs.lines_as_deployed(photos, parameters, is_serverless=is_serverless),
    )
