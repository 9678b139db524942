"""Which model answers beside the one before, how it does in use, what another threshold would do, what rings, and what
it costs.

What takes a machine with room for statistics, the report and the bill, is there where the page has it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console import runbooks
from console.errors import UnknownPageError
from console.pages.rendering import page, part_so_far, site_of
from console.served import measured
from console.site import Site
from monitoring.alarms import ringing_first
from vehiclevision.record import Record
from vehiclevision.refusal import Refusal

T = TypeVar("T")

# So long a page waits to know which version answers.
SERVED_SECONDS: Final = 1.5
# So long a request waits where nothing goes on between two: API Gateway itself waits for 30.
SHARED_SECONDS: Final = 15.0
# What the report says of itself; and no script of it runs, in a frame or alone.
REPORT_POLICY: Final = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"
)
NEWEST: Final = 1_000
# A threshold lies above one half: below, two labels could pass.
THRESHOLDS: Final = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)


def watch(request: Request) -> Response:
    """The page itself."""
    site = site_of(request)
    site.ledger.keep_up()
    answered = list(islice((each for each in site.ledger.newest_first() if each.by_label), NEWEST))
    versions = Counter(record.model_version or "unknown" for record in answered)
    served, why_unknown = _asked(site, lambda: site.served.ask(SHARED_SECONDS if site.is_shared else SERVED_SECONDS))
    return page(
        request,
        "model.html",
        answered=answered,
        versions=versions.most_common(),
        now=answered[0].model_version if answered else None,
        manifest=site.manifest(),
        table=at_thresholds(answered, site.threshold()),
        alarms=ringing_first(site.deployed.client, site.deployed.stack),
        served=served,
        why_unknown=why_unknown,
        sides=[(side, measured(side)) for side in (served.now, served.before) if side] if served else [],
        month=site.month(bool(served and served.is_serverless)),
        **_in_use(site),
    )


def in_use_part(request: Request) -> Response:
    """How the model does in use, once that is known."""
    site = site_of(request)
    values = _in_use(site)
    return part_so_far(request, "_in_use.html", values, more=bool(site.in_use and site.in_use.is_being_made()))


def report(request: Request) -> Response:
    """Monitoring's report, in a frame in which nothing runs."""
    return page(request, "report.html", **_in_use(site_of(request)))


def report_page(request: Request) -> Response:
    """The report itself: a page that holds everything it shows, and is let do nothing else."""
    made = site_of(request).in_use
    in_use = made.ask() if made else None
    if in_use is None:
        raise UnknownPageError("The report is being made.", "Open it again in a few seconds.")
    headers = {"content-security-policy": REPORT_POLICY, "x-frame-options": "SAMEORIGIN"}
    return HTMLResponse(in_use.html, headers=headers)


def compare(request: Request) -> Response:
    """The version that answers and the one before, on the same pictures."""
    return page(request, "compare.html", **_compared(site_of(request)))


def compare_part(request: Request) -> Response:
    """The same as far as it is known, for a page that waits for it."""
    site = site_of(request)
    values = _compared(site)
    return part_so_far(request, "_compare.html", values, more=bool(site.compared and site.compared.is_being_made()))


def runbook(request: Request) -> Response:
    """What to do when an alarm rings."""
    return page(request, "runbook.html", runbook=runbooks.page(request.path_params["name"]))


def _in_use(site: Site) -> dict[str, Any]:
    """How the model does in use: the report, or where none can be made, the newest check; and why there is neither."""
    if site.in_use is None:
        check, why = _asked(site, site.last_check)
        return {"in_use": None, "check": check, "why_no_report": why}
    in_use, why = _asked(site, site.in_use.ask)
    return {"in_use": in_use, "check": None, "why_no_report": why}


def _compared(site: Site) -> dict[str, Any]:
    if site.compared is None:
        why = "No model can be run here: share the page with a newer PythonRuntime than Lambda's oldest."
        return {"compared": None, "why": why}
    made = site.compared
    compared, why = _asked(site, lambda: made.ask(SHARED_SECONDS if site.is_shared else 0.0))
    return {"compared": compared, "why": why}


def _asked(site: Site, ask: Callable[[], T | None]) -> tuple[T | None, str]:
    """What there is, and why there is nothing; neither, while it is being made."""
    try:
        return ask(), ""
    except Refusal as error:
        return None, f"{error.message} {error.hint}".strip()
    except (ClientError, BotoCoreError) as error:
        words = site.explain(error)
        return None, words.message if words else type(error).__name__


def at_thresholds(answered: Sequence[Record], in_force: float | None) -> list[dict[str, Any]]:
    """A row for each threshold, the one in force among them."""
    values = sorted({*THRESHOLDS, *([in_force] if in_force else [])})
    return [{**_at(answered, value), "is_in_force": value == in_force} for value in values]


def _at(answered: Sequence[Record], threshold: float) -> dict[str, Any]:
    """What would have become of the newest answers; `judged` are those that would pass and that a person looked at."""
    passing = [record for record in answered if max(record.inferences or [0.0]) >= threshold]
    judged = [record for record in passing if record.reviewed_label]
    right = sum(record.surest == record.reviewed_label for record in judged)
    counts = {"passed": len(passing), "answers": len(answered), "judged": len(judged), "right": right}
    return {"threshold": threshold, **counts}
