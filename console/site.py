"""What all pages share."""

from collections.abc import Callable
from dataclasses import dataclass

from console.deployed import Deployed
from console.ledger import Ledger
from console.live import Live
from console.pictures import Pictures
from console.reviewing import ReviewTable
from console.threshold import Threshold
from vehiclevision.refusal import Refusal


@dataclass(kw_only=True)
class Site:
    """The page of one application."""

    deployed: Deployed
    ledger: Ledger
    live: Live
    pictures: Pictures
    reviews: ReviewTable
    threshold: Threshold
    # Words for an error of AWS.
    explain: Callable[[Exception], Refusal | None]
    # What of the page's own work failed, in words; whoever opens a page is told until it is started anew.
    fault: str = ""
    # Who sits here, unless a browser or a token says otherwise.
    user: str = ""
    # Whether the model of that version is at hand and can say where it looked.
    can_look: Callable[[str | None], bool] = lambda version: False
    # Where browsers send photos themselves; empty where they come through the page.
    bucket_origin: str = ""

    @property
    def bucket(self) -> str:
        """Where photos lie."""
        return self.deployed.output("BucketName")

    @property
    def is_shared(self) -> bool:
        """Whether it is served to people who signed in, by a function that sleeps between two requests."""
        return bool(self.bucket_origin)
