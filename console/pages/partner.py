"""The interface for a partner's system: where to send a photo, and what became of it. The page sends photos so too."""

import json
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from anyio import to_thread
from botocore.exceptions import ClientError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.errors import ConsoleError, UnknownPhotoError, WrongQuestionError
from console.live import STAGES, Stage
from console.pages.rendering import body_of, page, site_of
from console.roles import PERSON, SYSTEM
from console.site import Site
from vehiclevision.record import Outcome, Record
from vehiclevision.results import UPLOADS
from vehiclevision.storage import MISSING, code_of

SEND: Final = "photos/send"
READ: Final = "photos/read"
# So long a photo may be sent after the question where to.
UPLOAD_SECONDS: Final = 300
# What of a record a system is told as it stands there.
TOLD: Final = (
    *("outcome", "label", "confidence", "route", "reason", "hint", "decided_by", "model_version", "version_id"),
    *("uploaded_at", "recorded_at", "announced_at"),
)
CONTENT_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "image/avif")
# Where photos lie that people send through the page; each system has a folder of its own.
OF_PEOPLE: Final = "page"
MOST_NAME_CHARACTERS: Final = 60
_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}(\.[A-Za-z0-9._-]{1,60})?")
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]+")
_SYSTEM: Final = re.compile(r"[A-Za-z0-9]{1,128}")


@dataclass(frozen=True)
class Upload:
    """A form to be sent with the picture as its last field, named `file`."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Expected:
    """The id of a photo that is to come, and how to send it."""

    id: str
    upload: Upload
    expires_in_seconds: int
    max_bytes: int


@dataclass(frozen=True)
class Photo:
    """A photo by its id: on its way, or ended. What is not known is null."""

    id: str
    # Nothing was sent yet; it is on its way; it has ended.
    state: Literal["AWAITED", "ON_ITS_WAY", "ENDED"]
    # How far it has come.
    stage: Stage | None = None
    outcome: Outcome | None = None
    label: str | None = None
    confidence: float | None = None
    # Each label's probability out of everything that the model knows, so that they need not add up to 1.
    confidences: dict[str, float] | None = None
    route: str | None = None
    # Why it was refused or failed, and what its sender can do about it.
    reason: str | None = None
    hint: str | None = None
    # "human", once a person has decided it.
    decided_by: str | None = None
    model_version: str | None = None
    version_id: str | None = None
    uploaded_at: str | None = None
    recorded_at: str | None = None
    announced_at: str | None = None


async def place(request: Request) -> Response:
    """Say where a photo may be sent, within five minutes and by whoever has this answer."""
    too_long = WrongQuestionError("That question is too long.", "Send the photo itself to the address in the answer.")
    name, content_type = _wish(await body_of(request, too_long))
    site, folder = site_of(request), _folder(request)
    photo = f"{secrets.token_urlsafe(16)}{f'.{name}' if name else ''}"
    made = await to_thread.run_sync(_presigned, site, f"{UPLOADS}{folder}/{photo}", content_type)
    answer = Expected(photo, made, UPLOAD_SECONDS, site.pictures.limits.max_bytes)
    return JSONResponse(asdict(answer), 201)


def photo(request: Request) -> Response:
    """What became of the photo with that id, which this sender was given."""
    name = request.path_params["id"]
    if not _ID.fullmatch(name):
        raise UnknownPhotoError("That is no id of a photo.", "Use the one that came with the address to send it to.")
    return JSONResponse(asdict(_told(site_of(request), name, f"{UPLOADS}{_folder(request)}/{name}")))


def documentation(request: Request) -> Response:
    """The interface, described for people."""
    return page(request, "docs.html", api=request.app.state.openapi)


def openapi(request: Request) -> Response:
    """The interface, described for programs."""
    return JSONResponse(request.app.state.openapi)


def _presigned(site: Site, key: str, content_type: str) -> Upload:
    made = site.deployed.client("s3").generate_presigned_post(
        site.bucket,
        key,
        Fields={"Content-Type": content_type},
        Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, site.pictures.limits.max_bytes]],
        ExpiresIn=UPLOAD_SECONDS,
    )
    return Upload(made["url"], made["fields"])


def _told(site: Site, name: str, key: str) -> Photo:
    """The newest version of a photo that has a record, or how far it is."""
    recorded = site.deployed.results.versions(site.bucket, key)
    if recorded:
        return _ended(name, recorded[0])
    try:
        site.deployed.client("s3").head_object(Bucket=site.bucket, Key=key)
    except ClientError as error:
        if code_of(error) not in MISSING:
            raise
        return Photo(name, "AWAITED")
    return Photo(name, "ON_ITS_WAY", STAGES[site.live.stage_of(site.bucket, key)])


def _ended(name: str, record: Record) -> Photo:
    stage: Stage = "announced" if record.announced_at else "recorded"
    told = {each: getattr(record, each) for each in TOLD}
    return Photo(name, "ENDED", stage, confidences=record.by_label or None, **told)


def _folder(request: Request) -> str:
    """The folder of whoever asks: no system reads another's photos."""
    if request.scope.get(PERSON) is not None:
        return OF_PEOPLE
    system = str(request.scope.get(SYSTEM) or "")
    if not _SYSTEM.fullmatch(system):
        raise ConsoleError("Nobody knows who asks.", "Ask with a token of this application.")
    return f"partner/{system}"


def _wish(body: bytes) -> tuple[str, str]:
    """The name and the kind of the picture that is to come; WrongQuestionError for anything else."""
    try:
        asked: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise WrongQuestionError("The body is no JSON.", 'Send {"name": "rider42.jpg"}.') from error
    if not isinstance(asked, dict) or not isinstance(asked.get("name", ""), str):
        raise WrongQuestionError("The body is no object with a name.", 'Send {"name": "rider42.jpg"}.')
    content_type = asked.get("content_type", CONTENT_TYPES[0])
    if content_type not in CONTENT_TYPES:
        raise WrongQuestionError("A photo of that kind is not taken.", f"Send one of {', '.join(CONTENT_TYPES)}.")
    name = _ODD.sub("_", asked.get("name", "").rpartition("/")[2])[-MOST_NAME_CHARACTERS:]
    return name, content_type
