"""The page as it is served on a person's own machine, with everything that it can do."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette

from console import in_use
from console.deployed import Deployed
from console.ledger import Ledger
from console.month import this_month
from console.pages import model, photos
from console.roles import Role
from console.site import Site, make_site
from console.slow import Slow
from console.web import ADDRESSES, Address, Explain, assemble
from vehiclevision.refusal import Refusal

LOG: Final = logging.getLogger(__name__)
RELOAD_SECONDS: Final = 600.0
IN_USE_SECONDS: Final = 300.0
AFTER_FAULT_SECONDS: Final = 2.0
# What takes a machine that stays awake, or has room for statistics.
OWN_ADDRESSES: Final = (
    *ADDRESSES,
    Address("/photos", photos.upload, Role.OPERATOR, "POST"),
    Address("/live", photos.live, Role.VIEWER),
    Address("/model/in-use", model.in_use_part, Role.VIEWER),
    Address("/model/report", model.report, Role.VIEWER),
    Address("/model/report/page", model.report_page, Role.VIEWER),
)


def make_app(deployed: Deployed, user: str, explain: Explain) -> Starlette:
    """The page of one application; `explain` finds words for errors of AWS."""
    ledger = Ledger(deployed.results)
    site = make_site(deployed, ledger, explain)
    site.user = user
    site.in_use = Slow(lambda: in_use.week(deployed), IN_USE_SECONDS)
    site.month = lambda is_serverless: this_month(deployed, ledger, is_serverless=is_serverless)
    return assemble(site, OWN_ADDRESSES, lifespan=lambda app: _background(site))


@contextlib.asynccontextmanager
async def _background(site: Site) -> AsyncIterator[None]:
    """Read the records and watch what is on its way, until the page is closed."""
    work = {"reading the records": lambda: _load(site), "watching photos": site.live.watch}
    tasks = [asyncio.create_task(keep_at(site, name, begin)) for name, begin in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


async def _load(site: Site) -> None:
    while True:
        with contextlib.suppress(ClientError, BotoCoreError, Refusal):
            await to_thread.run_sync(site.ledger.load)
        await asyncio.sleep(RELOAD_SECONDS if site.ledger.is_complete else 2.0)
