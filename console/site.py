"""What all pages share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from console.deployed import Deployed, desk_of
from console.ledger import Identity, Ledger
from console.live import Live
from console.looking import Looking, models_run_here, shipped
from console.pictures import Pictures
from console.reviewing import ReviewTable
from console.served import Served, served
from console.slow import Slow
from console.threshold import Threshold
from vehiclevision.refusal import Refusal
from vehiclevision.results import UPLOADS

if TYPE_CHECKING:
    from console.in_use import InUse
    from console.month import Month
    from console.versions import Comparison
    from training.artefact import Manifest

SERVED_SECONDS: Final = 60.0
COMPARED_SECONDS: Final = 900.0
# So long a photo's story waits to know which models there are.
LOOKING_SECONDS: Final = 3.0


@dataclass(kw_only=True)
class Site:
    """The page of one application."""

    deployed: Deployed
    ledger: Ledger
    live: Live
    pictures: Pictures
    reviews: ReviewTable
    threshold: Threshold
    served: Slow[Served]
    # Both versions on the same pictures; None where no model can be run.
    compared: "Slow[Comparison] | None" = None
    # Words for an error of AWS.
    explain: Callable[[Exception], Refusal | None]
    # What of the page's own work failed, in words; whoever opens a page is told until it is started anew.
    fault: str = ""
    # Who sits here, unless a browser or a token says otherwise.
    user: str = ""
    # Whether a photo may be read here; one that may not is decided elsewhere.
    can_show: Callable[[Identity], bool] = lambda photo: True
    # Whether the model of that name can be asked where it looked.
    can_look: Callable[[str | None], bool] = lambda version: False
    # What the shipped model says of itself, where it is at hand.
    manifest: "Callable[[], Manifest | None]" = lambda: None
    # How the model does in use: the last week's report, else what the newest scheduled check says.
    in_use: "Slow[InUse] | None" = None
    last_check: Callable[[], Mapping[str, Any] | None] = lambda: None
    # What this month costs, if the endpoint is serverless or not; None where nobody calculates it.
    month: "Callable[[bool], Month | None]" = lambda is_serverless: None
    # Where browsers send photos themselves; empty where they come through the page.
    bucket_origin: str = ""

    @property
    def bucket(self) -> str:
        """Where photos lie."""
        return self.deployed.output("BucketName")

    def is_upload(self, photo: Identity) -> bool:
        """Whether a photo came into the bucket as an upload, and not by a backfill from elsewhere."""
        return photo[0] == self.bucket and photo[1].startswith(UPLOADS)

    @property
    def is_shared(self) -> bool:
        """Whether it is served to people who signed in, by a function that sleeps between two requests."""
        return bool(self.bucket_origin)


def make_site(deployed: Deployed, ledger: Ledger, explain: Callable[[Exception], Refusal | None]) -> Site:
    """What the page of one application has wherever it is served."""
    threshold, known = Threshold(deployed), Slow(lambda: served(deployed), SERVED_SECONDS)
    looking = Looking(deployed, lambda: known.ask(LOOKING_SECONDS))
    site = Site(
        deployed=deployed,
        ledger=ledger,
        live=Live(deployed, ledger),
        pictures=Pictures(deployed.client("s3")),
        reviews=ReviewTable(desk_of(deployed), ledger, threshold),
        threshold=threshold,
        served=known,
        explain=explain,
    )
    if models_run_here():
        site.can_look, site.pictures.tint, site.manifest = looking.can, looking.tinted, _shipped_manifest
        site.compared = Slow(lambda: _compare(site), COMPARED_SECONDS)
    return site


def _shipped_manifest() -> "Manifest | None":
    model = shipped()
    return model.manifest if model else None


def _compare(site: Site) -> "Comparison":
    """Both versions as they are served at this moment."""
    # Numbers are imported where they are needed, and not by every copy of a function that begins.
    from console import versions  # noqa: PLC0415

    return versions.compare(site.deployed, site.ledger, site.pictures, served(site.deployed))
