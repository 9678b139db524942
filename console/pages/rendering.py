"""Templates, and the words and numbers in them as people read them."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console import runbooks
from console.errors import ConsoleError
from console.roles import PERSON, Role
from console.site import Site
from console.words import advice, because
from training import evaluation
from training.evaluation.colours import vehicle_styles
from vehiclevision.labels import LABELS, TRUTHS
from vehiclevision.record import Outcome, Record
from vehiclevision.refusal import Refusal
from vehiclevision.results import UPLOADS

HERE: Final = Path(__file__).parents[1]
MOST_FORM_BYTES: Final = 16 * 1024
_SENT: Final = re.compile(r"^(?:page|partner/[A-Za-z0-9]+)/[A-Za-z0-9_-]{22}\.(?=.)")
# Of a file whose address changes with its content.
FOREVER: Final = "private, max-age=31536000, immutable"
# The parts of each file that a page loads; the style that all our pages share comes first.
STATIC: Final[dict[str, tuple[str, list[Path]]]] = {
    "page.css": ("text/css", [Path(evaluation.__file__).parent / "style.css", HERE / "static" / "page.css"]),
    "page.js": ("text/javascript", [HERE / "static" / "page.js"]),
    "icon.svg": ("image/svg+xml", [HERE / "static" / "icon.svg"]),
    "review.js": ("text/javascript", [HERE / "static" / "review.js"]),
}


def site_of(request: Request) -> Site:
    """What all pages share."""
    site: Site = request.app.state.site
    return site


def static(name: str) -> Callable[[Request], Response]:
    """The answer at the address of one of our files."""
    kind, _ = STATIC[name]

    def answer(_: Request) -> Response:
        return Response(content(name), media_type=kind, headers={"cache-control": FOREVER})

    return answer


@cache
def content(name: str) -> str:
    """The text of one of our files; the style sheet also has a colour for each vehicle."""
    text = "\n".join(path.read_text("utf-8") for path in STATIC[name][1])
    return f"{text}\n{vehicle_styles()}" if name == "page.css" else text


@cache
def asset(name: str) -> str:
    """The address of one of our files, which changes with its content."""
    return f"/static/{name}?{hashlib.sha256(content(name).encode()).hexdigest()[:12]}"


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page."""
    return HTMLResponse(part(request, template, **values), status)


def part(request: Request, template: str, **values: Any) -> str:
    """A template filled in: everything is escaped."""
    site = site_of(request)
    person = request.scope.get(PERSON)
    shared = {
        "site": site,
        "here": request.url.path,
        "threshold": site.threshold(),
        "application": site.deployed.stack,
        "person": person,
        "may": lambda role: not site.is_shared or (person is not None and person.role >= role),
        "roles": Role,
    }
    return _environment().get_template(template).render({**shared, **values})


def part_so_far(request: Request, template: str, values: dict[str, Any], *, more: bool) -> Response:
    """A part of a page, which asks for it again while there is more to come."""
    headers = {"x-running": "yes" if more else "no"}
    return Response(part(request, template, **values), media_type="text/html", headers=headers)


def refused(request: Request, error: Refusal, status: int) -> Response:
    """What cannot be done, in words: as a page, or as plain text for a script."""
    if "text/html" not in request.headers.get("accept", ""):
        return Response(f"{error.message} {error.hint}".strip(), status, media_type="text/plain")
    return page(request, "refused.html", status, error=error)


async def form(request: Request) -> dict[str, str]:
    """The fields of a form; ConsoleError when it is larger than any of ours."""
    too_large = ConsoleError("That form is larger than any on this page.", "Go back and try again.")
    body = await body_of(request, too_large)
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise too_large from error


async def body_of(request: Request, too_long: Refusal, most_bytes: int = MOST_FORM_BYTES) -> bytes:
    """The body of a request, read no further than the largest that we take."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise too_long
    return bytes(body)


def photo_address(record: Record, address: str = "/photo", **more: str) -> str:
    """The permanent address of a photo."""
    bucket = {"bucket": record.s3_bucket}
    return f"{address}?{urlencode({'key': record.s3_key, 'version': record.version_id, **bucket, **more})}"


def local(text: str | None) -> Markup:
    """A time as a clock here shows it, with its date unless that is today's."""
    if not text:
        return Markup("–")
    at = datetime.fromisoformat(text).astimezone()
    is_today = at.date() == datetime.now().astimezone().date()
    shown = f"{at:%H:%M:%S}" if is_today else f"{at:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}" title="{:%A, %d %B %Y, %H:%M:%S %Z}">{}</time>').format(text, at, shown)


def clock(at: datetime) -> str:
    """A moment to the millisecond, as a clock here shows it."""
    return f"{at.astimezone():%H:%M:%S.%f}"[:12]


def short(key: str) -> str:
    """A key as people know it, without the folder and the mark of what was sent straight to the bucket."""
    return _SENT.sub("", key.removeprefix(UPLOADS))


def percent(share: float | None, digits: int = 1) -> str:
    """A share of one."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        local=local, clock=clock, short=short, percent=percent, address=photo_address,
        because=because, advice=advice, runbook=runbooks.named, without_runbook=runbooks.without,
    )  # fmt: skip
    made.globals.update(
        asset=asset, outcomes=list(Outcome), labels=LABELS, truths=TRUTHS,
    )  # fmt: skip
    return made
