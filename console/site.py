"""What all pages share."""

from collections.abc import Callable
from dataclasses import dataclass

from console.deployed import Deployed
from console.in_use import InUse
from console.ledger import Ledger
from console.live import Live
from console.pictures import Pictures
from console.reviewing import ReviewTable
from console.slow import Slow
from console.threshold import Threshold
from console.versions import Comparison, Served
from vehiclevision.refusal import Refusal


@dataclass
class Site:
    """The page of one application."""

    deployed: Deployed
    ledger: Ledger
    live: Live
    pictures: Pictures
    reviews: ReviewTable
    threshold: Threshold
    in_use: Slow[InUse]
    served: Slow[Served]
    compared: Slow[Comparison]
    # Words for an error of AWS.
    explain: Callable[[Exception], Refusal | None]
    # Who sits here, unless a browser says otherwise.
    user: str
    # What of the page's own work failed, in words; whoever opens a page is told until it is started anew.
    fault: str = ""

    @property
    def bucket(self) -> str:
        """Where photos lie."""
        return self.deployed.output("BucketName")
