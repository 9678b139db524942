"""What all pages share."""

from dataclasses import dataclass

from console.deployed import Deployed
from console.ledger import Ledger
from console.live import Live
from console.pictures import Pictures
from console.reviewing import ReviewTable
from console.threshold import Threshold


@dataclass
class Site:
    """The page of one application."""

    deployed: Deployed
    ledger: Ledger
    live: Live
    pictures: Pictures
    reviews: ReviewTable
    threshold: Threshold
    # Who sits here, unless a browser says otherwise.
    user: str

    @property
    def bucket(self) -> str:
        """Where photos lie."""
        return self.deployed.output("BucketName")
