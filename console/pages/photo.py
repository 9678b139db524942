"""One photo's story: what it shows, the run as a graph and as a table, what the functions wrote, who was told."""

import json
from typing import Any

from anyio import to_thread
from botocore.exceptions import ClientError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from console import run as runs
from console import story as stories
from console.errors import ConsoleError, UnknownPhotoError
from console.graph import anchor, run_graph
from console.ledger import Identity
from console.pages.rendering import form, page, part_so_far, photo_address, site_of
from console.pages.reviewer import remember, reviewer_of
from console.pictures import View
from console.reviewing import reviewable
from console.run import Run, pretty
from console.site import Site
from reconciling.letters import photo_of
from vehiclevision.errors import InvalidImageError, StorageRefusedError, StorageUnavailableError
from vehiclevision.record import NO_VERSION, Record
from vehiclevision.storage import code_of

SEE_OTHER = 303
PICTURE_SECONDS = 300


def story(request: Request) -> Response:
    """The page itself."""
    site, asked = site_of(request), _photo(request)
    record = site.deployed.results.one(*asked)
    run, why = _run(request, record)
    if record is None and run is None and site.live.card(asked) is None:
        raise UnknownPhotoError("Nothing is known of such a photo.", "It may have been erased, or never come in.")
    versions = site.deployed.results.versions(*asked[:2]) if record else []
    surest = record.surest if record else None
    response = page(
        request,
        "photo.html",
        asked=asked,
        elsewhere=asked[0] if asked[0] != site.bucket else "",
        record=record,
        run=run,
        why=why,
        versions=versions,
        surest=surest,
        looks=bool(record and surest and site.can_look(record.model_version)),
        reviewable=bool(record and reviewable(record)),
        **_told(request, record, run),
    )
    remember(request, response)
    return response


def run_part(request: Request) -> Response:
    """The run as it is now, for a page that watches it."""
    record = site_of(request).deployed.results.one(*_photo(request))
    run, why = _run(request, record)
    values = {"record": record, "run": run, "why": why, **_told(request, record, run)}
    return part_so_far(request, "_run.html", values, more=run is None or run.is_running)


def picture(request: Request) -> Response:
    """The photo in one view; only what the gate decoded is ever sent."""
    site = site_of(request)
    asked = request.query_params.get("as", View.UPLOADED)
    label, model = (request.query_params.get(name, "") for name in ("label", "model"))
    if asked not in list(View):
        raise ConsoleError("There is no such view of a photo.", f"Use {', '.join(View)}.")
    photo = _photo(request)
    if not _shown(site, photo):
        raise UnknownPhotoError("Nothing is known of such a photo.", "Open it from the list.")
    try:
        jpeg = site.pictures.jpeg(photo, View(asked), label, model)
    except InvalidImageError as error:
        raise ConsoleError("It is no usable picture, so it is not shown.", str(error)) from error
    except (StorageRefusedError, StorageUnavailableError) as error:
        raise ConsoleError("The photo cannot be read.", str(error)) from error
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": f"private, max-age={PICTURE_SECONDS}"})


async def again(request: Request) -> Response:
    """Start the workflow for this version again, as by hand, and show that run."""
    fields, site = await form(request), site_of(request)
    asked = _named(fields)
    record = await to_thread.run_sync(site.deployed.results.one, *asked)
    if record is None:
        raise UnknownPhotoError("Nothing is recorded of such a photo.", "Wait until its first run has ended.")
    run = await to_thread.run_sync(_start, site, record)
    return RedirectResponse(photo_address(record, run=run) + "#run", SEE_OTHER)


async def correct(request: Request) -> Response:
    """Take a person's word on this photo, over the one that stood when its page was opened."""
    fields, site = await form(request), site_of(request)
    record = await to_thread.run_sync(site.deployed.results.one, *_named(fields))
    if record is None:
        raise UnknownPhotoError("Nothing is recorded of such a photo.", "It may have been erased.")
    label, stands = fields.get("label", ""), record.reviewed_label
    if stands not in (None, label, fields.get("stood")):
        raise ConsoleError("Somebody else has decided that photo meanwhile.", "Open its page again to overrule that.")
    decide, reviewer = site.reviews.decide, reviewer_of(request)
    said = await to_thread.run_sync(lambda: decide(reviewer, record, label, again=stands is not None))
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(photo_address(record), SEE_OTHER)
    return PlainTextResponse(said)


def _start(site: Site, record: Record) -> str:
    request = {
        "s3_bucket": record.s3_bucket,
        "s3_key": record.s3_key,
        "version_id": "" if record.version_id == NO_VERSION else record.version_id,
        "sequencer": record.sequencer or "",
    }
    started = site.deployed.client("stepfunctions").start_execution(
        stateMachineArn=site.deployed.output("StateMachineArn"), input=json.dumps(request)
    )
    return str(started["executionArn"])


def _run(request: Request, record: Record | None) -> tuple[Run | None, str]:
    """The run that the address names, or the one that the record or the live page knows; or why there is none."""
    site = site_of(request)
    card = site.live.card(_photo(request))
    execution = request.query_params.get("run") or (record and record.execution) or (card and card.run)
    if not execution:
        return None, "Its run has not begun yet, or nobody knows which it was."
    try:
        read = runs.read(site.deployed.client("stepfunctions"), execution, site.deployed.output("StateMachineArn"))
    except ConsoleError as error:
        return None, str(error)
    return read, ""


def _told(request: Request, record: Record | None, run: Run | None) -> dict[str, Any]:
    """The graph, the log lines, and what was announced."""
    site = site_of(request)
    told: dict[str, Any] = {"graph": "", "anchors": {}, "lines": [], "announced": "", "pretty": pretty}
    if run is None:
        return told
    told["graph"] = run_graph(run)
    told["anchors"] = {state: anchor(run, state) for state in run.states}
    announcing = run.last_visit("Announce vehicle")
    if announcing and not announcing.error:
        told["announced"] = announcing.parameters or announcing.input
    # S3's own id of the event, or the run's name, as the workflow itself takes it.
    photo = photo_of(run.visits[0].input if run.visits else "")
    correlation_id = (photo and photo.correlation_id) or run.execution.rsplit(":", 1)[-1]
    whose = stories.Run(_photo(request)[1], run.execution, correlation_id, run.started, record)
    try:
        told["lines"] = stories.logged(site.deployed, whose)
    except ClientError as error:
        told["no_lines"] = f"The logs cannot be read ({code_of(error)})."
    told.setdefault("no_lines", "The functions wrote nothing of it yet.")
    return told


def _photo(request: Request) -> Identity:
    return _named(dict(request.query_params), site_of(request).bucket)


def _named(fields: dict[str, str], bucket: str = "") -> Identity:
    """Which photo is meant."""
    named = fields.get("bucket") or bucket, fields.get("key", ""), fields.get("version", "")
    if not all(named):
        raise UnknownPhotoError("That address names no photo.", "Open it from the list.")
    return named


def _shown(site: Site, photo: Identity) -> bool:
    """Whether it is an upload, or has a record, as photos of a backfill have; nothing else that lies in a bucket is."""
    return site.is_upload(photo) or site.deployed.results.one(*photo) is not None
