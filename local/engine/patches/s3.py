"""S3: what its events say, and that each of them arrives."""

import contextvars
import json
import uuid
from collections.abc import Callable
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, s3

from local.engine.journal import Journal
from local.engine.scopes import in_scope, known_as

# What S3 percent-encodes in a listing that is asked to.
_ENCODED: Final = frozenset({"Key", "Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"})


def name_versions_in_object_events() -> None:
    """S3's events to EventBridge lack `version-id`, which AWS sends for every versioned bucket."""
    versions: contextvars.ContextVar[str | None] = contextvars.ContextVar("version of the event", default=None)
    fire = s3._fire_s3_event
    dispatch = eventbridge._dispatch_event

    def fire_with_version(*arguments: Any, **options: Any) -> None:
        with known_as(versions, options.get("version_id")):
            fire(*arguments, **options)

    def dispatch_with_version(event: dict[str, Any], view: Any = None) -> Any:
        version = versions.get()
        if version and event.get("Source") == "aws.s3":
            event = {**event, "Detail": with_version(event["Detail"], version)}
        return dispatch(event, view)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


def with_version(detail: str, version: str) -> str:
    """The event's detail with the object's version in it."""
    parsed = json.loads(detail)
    return json.dumps({**parsed, "object": {**parsed["object"], "version-id": version}})


def encode_listed_keys() -> None:
    """Listings of versions and of unfinished uploads lack `encoding-type`; some keys are no XML as they are."""
    asked: contextvars.ContextVar[bool] = contextvars.ContextVar("keys are to be encoded", default=False)
    body = s3._xml_body

    def encoded_body(root: Any) -> Any:
        if asked.get():
            for each in root.iter():
                if each.text and each.tag.rpartition("}")[2] in _ENCODED:
                    each.text = s3._url_encode(each.text)
            s3.SubElement(root, "EncodingType").text = "url"
        return body(root)

    def encoding(listing: Callable[..., Any]) -> Callable[..., Any]:
        def listed(bucket: str, query: Any) -> Any:
            with known_as(asked, s3._qp(query, "encoding-type", "") == "url"):
                return listing(bucket, query)

        return listed

    s3._xml_body = encoded_body
    s3._list_object_versions = encoding(s3._list_object_versions)
    s3._list_multipart_uploads = encoding(s3._list_multipart_uploads)


def write_events_through(journal: Journal) -> None:
    """An object's event is in the journal from before the upload is answered until all its targets have it."""
    pending: contextvars.ContextVar[str] = contextvars.ContextVar("event not delivered yet", default="")
    fire_later, fire = s3._fire_s3_event_async, s3._fire_s3_event

    def write_and_fire_later(bucket: str, *arguments: Any, **options: Any) -> None:
        if bucket not in s3._bucket_notifications:
            return
        event = str(uuid.uuid4())
        scope = [get_account_id(), get_region()]
        journal.put("event", [event], {"scope": scope, "arguments": [bucket, *arguments], "options": options})
        with known_as(pending, event):
            fire_later(bucket, *arguments, **options)

    def fire_and_forget(*arguments: Any, **options: Any) -> None:
        fire(*arguments, **options)
        if pending.get():
            journal.delete("event", [pending.get()])

    s3._fire_s3_event_async = write_and_fire_later
    s3._fire_s3_event = fire_and_forget


def resume_events(journal: Journal) -> None:
    """Deliver what the last stop kept from being delivered; AWS never loses an event."""
    for key, event in list(journal.read("event")):
        in_scope(*event["scope"], _fire_if_stored, *event["arguments"], **event["options"])
        # By now under another key: a stop in between delivers it twice, as AWS may.
        journal.delete("event", key)


def _fire_if_stored(bucket: str, name: str, what: str, *others: Any, **options: Any) -> None:
    """Deliver an event, unless the stop came before its upload was stored, and nobody was told that it was."""
    created = what.startswith("s3:ObjectCreated:")
    if not created or s3._get_object_data(bucket, name, options.get("version_id")) is not None:
        s3._fire_s3_event_async(bucket, name, what, *others, **options)
