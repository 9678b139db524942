"""The page as it is served on a person's own machine, with everything that it can do."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette

from console import in_use, versions
from console.deployed import Deployed, desk_of
from console.errors import ConsoleError
from console.ledger import Ledger
from console.live import Live
from console.looking import can_look, tinted
from console.pages import model, photos
from console.pages.model import SiteWithModel
from console.pictures import Pictures
from console.reviewing import ReviewTable
from console.roles import Role
from console.site import Site
from console.slow import Slow
from console.threshold import Threshold
from console.web import ADDRESSES, Address, Explain, assemble
from vehiclevision.refusal import Refusal

LOG: Final = logging.getLogger(__name__)
RELOAD_SECONDS: Final = 600.0
TAKE_SECONDS: Final = 0.5
SERVED_SECONDS: Final = 60.0
IN_USE_SECONDS: Final = 300.0
COMPARED_SECONDS: Final = 900.0
AFTER_FAULT_SECONDS: Final = 2.0
# What takes a machine that stays awake, or holds the model.
OWN_ADDRESSES: Final = (
    *ADDRESSES,
    Address("/photos", photos.upload, Role.OPERATOR, "POST"),
    Address("/live", photos.live, Role.VIEWER),
    Address("/model", model.watch, Role.VIEWER),
    Address("/model/in-use", model.in_use_part, Role.VIEWER),
    Address("/model/report", model.report, Role.VIEWER),
    Address("/model/report/page", model.report_page, Role.VIEWER),
    Address("/model/compare", model.compare, Role.VIEWER),
    Address("/model/compare/part", model.compare_part, Role.VIEWER),
    Address("/runbook/{name}", model.runbook, Role.VIEWER),
)


def make_app(deployed: Deployed, user: str, explain: Explain) -> Starlette:
    """The page of one application; `explain` finds words for errors of AWS."""
    ledger = Ledger(deployed.results)
    threshold = Threshold(deployed)
    site = SiteWithModel(
        deployed=deployed,
        ledger=ledger,
        live=Live(deployed.client, deployed.output("BucketName"), deployed.output("StateMachineArn"), ledger),
        pictures=Pictures(deployed.client("s3"), tinted),
        reviews=ReviewTable(desk_of(deployed), ledger, threshold),
        threshold=threshold,
        in_use=Slow(lambda: in_use.week(deployed), IN_USE_SECONDS),
        served=Slow(lambda: versions.served(deployed), SERVED_SECONDS),
        compared=Slow(lambda: _compare(site), COMPARED_SECONDS),
        explain=explain,
        user=user,
        can_look=can_look,
    )
    return assemble(site, OWN_ADDRESSES, lifespan=lambda app: _background(site))


def _compare(site: SiteWithModel) -> versions.Comparison:
    """Both versions as they are served at this moment."""
    served = versions.served(site.deployed)
    if served.now is None or served.before is None:
        raise ConsoleError(served.why, "Two approved versions can be compared, one of which answers.")
    return versions.compare(site.deployed, site.ledger, site.pictures, served.now, served.before)


@contextlib.asynccontextmanager
async def _background(site: SiteWithModel) -> AsyncIterator[None]:
    """Read the records, watch what is on its way, and take what reviewers decided, until the page is closed."""
    work = {
        "reading the records": lambda: _load(site),
        "watching photos": site.live.watch,
        "taking what reviewers decided": lambda: _take(site),
    }
    tasks = [asyncio.create_task(keep_at(site, name, begin)) for name, begin in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await to_thread.run_sync(lambda: site.reviews.take_due(everything=True))


async def keep_at(site: Site, name: str, begin: Callable[[], Awaitable[None]]) -> None:
    """Work that never ends: after a fault of our own it begins anew, and the log and every page say so."""
    while True:
        try:
            await begin()
        except Exception as error:  # the outermost handler of a task, whose fault nobody else would see
            LOG.exception("The page failed at %s", name)
            site.fault = (
                f"This page failed at {name} ({type(error).__name__}), and began again. Something may be missing here; "
                "its log says more."
            )
        await asyncio.sleep(AFTER_FAULT_SECONDS)


async def _load(site: SiteWithModel) -> None:
    while True:
        with contextlib.suppress(ClientError, BotoCoreError, Refusal):
            await to_thread.run_sync(site.ledger.load)
        await asyncio.sleep(RELOAD_SECONDS if site.ledger.is_complete else 2.0)


async def _take(site: SiteWithModel) -> None:
    while True:
        await to_thread.run_sync(site.reviews.take_due)
        await asyncio.sleep(TAKE_SECONDS)
