"""Review: one photo after another, one key a label, and ten seconds to think again."""

from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from console.answers import SKIP, UNDO, answer_keys
from console.errors import ConsoleError, UnknownPhotoError
from console.ledger import identity_of
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
    """What the page shows one reviewer: the photo that they hold, `back` before all others, and how many wait."""
    reviews = site_of(request).reviews
    site_of(request).ledger.keep_up()
    reviews.finish()
    waiting = reviews.waiting()
    queue = [each for each in waiting if site_of(request).can_show(identity_of(each.record))]
    first: list[Waiting] = [interest(back, site_of(request).threshold())] if back else []
    shown = reviews.next(reviewer, [*first, *queue])
    ahead = next((each for each in queue if shown is None or each.record != shown.record), None)
    return {
        "shown": shown,
        "ahead": ahead,
        "waiting": len(queue),
        "elsewhere": len(waiting) - len(queue),
        "keys": {word: key for key, word in KEYS.items()},
        "reviewer": reviewer,
        "skipped": len(reviews.sitting(reviewer).skipped),
    }


def desk(request: Request) -> Response:
    """The page itself."""
    if not has_seat(request):
        # What is held is held for a seat: first it needs one.
        response: Response = RedirectResponse("/review", SEE_OTHER)
        remember(request, response)
        return response
    return page(request, "review.html", **page_values(request, reviewer_of(request)))


async def act(request: Request) -> Response:
    """Decide, set aside, skip, undo, or say one's name; a script is answered, a form is led back to the page."""
    fields, site, reviewer = await form(request), site_of(request), reviewer_of(request)
    action = fields.get("action", "")
    if action == "name":
        response: Response = RedirectResponse("/review", SEE_OTHER)
        remember(request, response, cleaned(fields.get("name", "")))
        return response
    back, said = await to_thread.run_sync(_done, site, reviewer, action, fields)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/review", SEE_OTHER)
    if said:
        return PlainTextResponse(said)
    values = await to_thread.run_sync(page_values, request, reviewer, back)
    return Response(await to_thread.run_sync(lambda: part(request, "_review.html", **values)), media_type="text/html")


def _done(site: Site, reviewer: Reviewer, action: str, fields: dict[str, str]) -> tuple[Record | None, str]:
    """Do it; the record that comes back to be looked at again after an undo, and what became of a word."""
    photo = fields.get("bucket", ""), fields.get("key", ""), fields.get("version", "")
    record = site.deployed.results.one(*photo) if all(photo) else None
    if record is None:
        raise UnknownPhotoError("That photo is gone.", "Go on with the next one.")
    if action == "decide":
        return None, site.reviews.decide(reviewer, record, fields.get("label", ""))
    if action == UNDO:
        return site.reviews.take_back(reviewer, record), ""
    if action == SKIP:
        site.reviews.skip(reviewer, record)
    elif action == "aside":
        site.reviews.set_aside(reviewer, record)
    else:
        raise ConsoleError("That is nothing that can be done here.", "Use a key that the page names.")
    return None, ""
