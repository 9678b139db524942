"""Review: one photo after another, one key a label, and ten seconds to think again."""

from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.answers import SKIP, UNDO, answer_keys
from console.errors import ConsoleError, UnknownPhotoError
from console.pages.rendering import form, page, part, site_of
from console.pages.reviewer import cleaned, has_seat, remember, reviewer_of
from console.reviewing import Waiting, interest
from console.site import Site
from monitoring.holding import Reviewer
from vehiclevision.labels import LABELS, NEITHER
from vehiclevision.record import Record

SEE_OTHER = 303
KEYS = answer_keys(LABELS, (NEITHER, SKIP, UNDO, "zoom"))


def page_values(request: Request, reviewer: Reviewer, back: Record | None = None) -> dict[str, Any]:
    """What the page shows one reviewer: the photo that they hold, and what they have done."""
    reviews = site_of(request).reviews
    site_of(request).ledger.keep_up()
    queue = reviews.waiting()
    shown: Waiting | None
    if back is not None:
        first = interest(back, site_of(request).threshold())
        shown = reviews.next(reviewer, [first, *queue])
    else:
        shown = reviews.next(reviewer, queue)
    ahead = next((each for each in queue if shown is None or each.record != shown.record), None)
    return {
        "shown": shown,
        "ahead": ahead,
        "waiting": len(queue),
        "keys": {word: key for key, word in KEYS.items()},
        **strip_values(request, reviewer),
    }


def strip_values(request: Request, reviewer: Reviewer) -> dict[str, Any]:
    """What can be undone, and what became of what was decided."""
    reviews = site_of(request).reviews
    return {"reviewer": reviewer, "sitting": reviews.sitting(reviewer), "pending": reviews.pending(reviewer)}


def desk(request: Request) -> Response:
    """The page itself."""
    if not has_seat(request):
        # What is held is held for a seat: first it needs one.
        response: Response = RedirectResponse("/review", SEE_OTHER)
        remember(request, response)
        return response
    return page(request, "review.html", **page_values(request, reviewer_of(request)))


def strip(request: Request) -> Response:
    """What can be undone by now, for a page that waits."""
    return Response(part(request, "_strip.html", **strip_values(request, reviewer_of(request))), media_type="text/html")


async def act(request: Request) -> Response:
    """Decide, skip, undo, or say one's name; a script gets the next photo, a form is led back to the page."""
    fields, site, reviewer = await form(request), site_of(request), reviewer_of(request)
    action = fields.get("action", "")
    if action == "name":
        response: Response = RedirectResponse("/review", SEE_OTHER)
        remember(request, response, cleaned(fields.get("name", "")))
        return response
    back = await to_thread.run_sync(_done, site, reviewer, action, fields)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/review", SEE_OTHER)
    values = await to_thread.run_sync(page_values, request, reviewer, back)
    return Response(await to_thread.run_sync(lambda: part(request, "_review.html", **values)), media_type="text/html")


def _done(site: Site, reviewer: Reviewer, action: str, fields: dict[str, str]) -> Record | None:
    """Do it; the record that comes back to be looked at again, after an undo."""
    reviews = site.reviews
    if action == UNDO:
        return reviews.undo(reviewer)
    photo = fields.get("bucket", ""), fields.get("key", ""), fields.get("version", "")
    if action == SKIP:
        reviews.skip(reviewer, photo)
        return None
    if action != "decide":
        raise ConsoleError("That is nothing that can be done here.", "Use a key that the page names.")
    record = site.deployed.results.one(*photo) if all(photo) else None
    if record is None:
        raise UnknownPhotoError("That photo is gone.", "Go on with the next one.")
    reviews.decide(reviewer, record, fields.get("label", ""))
    return None
