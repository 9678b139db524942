"""Surviving `kill -9`: what the journal does not hold is saved some seconds after it changed, and all is put back.

MiniStack saves its state at a clean stop only, and as a whole. What grows with use goes to the journal entry by entry,
as it happens (local/engine/patches); what is small and changes with a deployment is saved by `Saver`.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack import app
from ministack.core import persistence
from ministack.services import cloudwatch_logs

from local.engine.journal import Journal
from local.engine.patches import cloudwatch, dynamodb, logs, sqs, stepfunctions

SAVE_SECONDS = 2.0
UNCHANGED_STREAMS_IN_A_ROW = 200


def restore_from(journal: Journal) -> None:
    """Put back what the journal holds once MiniStack has restored the rest."""
    restore, reset = app._load_persisted_state, app._reset_all_state

    def restore_all() -> None:
        restore()
        dynamodb.restore_items(journal)
        stepfunctions.restore_executions(journal)
        logs.restore_streams(journal)
        sqs.restore_messages(journal)
        cloudwatch.restore_metrics(journal)

    def reset_all() -> None:
        reset()
        journal.clear()

    app._load_persisted_state = restore_all
    app._reset_all_state = reset_all


def passes_by(scope: Mapping[str, Any]) -> bool:
    """Whether a request is about one object's data or asks an endpoint, as photos do: nothing saved here changes."""
    path: bytes = scope["raw_path"]
    if path.startswith(b"/endpoints/"):
        return True
    signed_for_s3 = any(name == b"authorization" and b"/s3/aws4_request" in value for name, value in scope["headers"])
    return signed_for_s3 and not scope["query_string"] and path.strip(b"/").count(b"/") > 0


class Saver:
    """Saves what MiniStack keeps outside the journal, some seconds after it changed, without being asked.

    The work grows with the number of resources and of new log streams, not with what was ever processed.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._saved: dict[str, str] = {}
        self._requests_seen = 0
        self._streams: dict[tuple[str, ...], int] = {}
        self.requests = 0

    def watch(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """The ASGI application with its requests counted that may change what is saved.

        Loopback counts as TLS, which bucket and queue policies demand.
        """

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await application(scope, receive, send)
                return
            headers = [*scope["headers"], (b"x-forwarded-proto", b"https")]
            await application({**scope, "headers": headers}, receive, send)
            self.requests += not passes_by(scope)

        return counted

    def run(self) -> None:
        """Save for ever."""
        while True:
            time.sleep(SAVE_SECONDS)
            with contextlib.suppress(RuntimeError):  # a dictionary changed under the copy: next time
                self.save()

    def save(self) -> None:
        """Save all that changed since it was saved last."""
        self._save_streams()
        cloudwatch.save_metrics(self._journal)
        seen = self.requests
        if seen != self._requests_seen:
            self._save_services()
            self._requests_seen = seen

    def save_at_the_end(self) -> None:
        """The log streams and metrics; MiniStack has saved its services by now."""
        with contextlib.suppress(RuntimeError):
            self._save_streams()
            cloudwatch.save_metrics(self._journal)

    def _save_services(self) -> None:
        for service, get_state in app._build_persistence_save_dict().items():
            state = get_state()
            text = json.dumps(state, default=persistence._json_default)
            digest = hashlib.sha256(text.encode()).hexdigest()
            if self._saved.get(service) != digest:
                persistence.save_state(service, state)
                self._saved[service] = digest

    def _save_streams(self) -> None:
        changed = []
        counts: dict[tuple[str, ...], int] = {}
        for (account, region, name), group in cloudwatch_logs._log_groups.all_items():
            unchanged = 0
            for stream_name, stream in reversed(list(group["streams"].items())):
                key = (account, region, name, stream_name)
                if self._streams.get(key) == len(stream["events"]):
                    unchanged += 1
                    if unchanged > UNCHANGED_STREAMS_IN_A_ROW:
                        break  # new streams come last
                    continue
                counts[key] = len(stream["events"])
                changed.append(("stream", key, stream))
        if changed:
            self._journal.put_all(changed[::-1])
            # After it: a look that breaks off has saved nothing.
            self._streams.update(counts)
