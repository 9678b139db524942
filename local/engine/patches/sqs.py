"""SQS: a message that was accepted is not lost, neither to a kill nor to another thread."""

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

from ministack.services import sqs

from local.engine.journal import Journal
from local.engine.scopes import emptied, state_of

KIND = "message"
# What replaces a queue's list of messages with what it leaves of it; a message that is added meanwhile would be gone.
REPLACING = ("_delete_messages_for_esm", "_expire_retained", "_dlq_sweep")
REPLACING_HANDLERS = {"DeleteMessage": "_act_delete_message", "DeleteMessageBatch": "_act_delete_message_batch"}
_lock = threading.RLock()


class Messages(list[dict[str, Any]]):
    """A queue's messages, each in the journal from before it can be received until after it was deleted."""

    def __init__(self, journal: Journal, queue: str, messages: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(messages)
        self._journal = journal
        self._queue = queue

    def append(self, message: dict[str, Any]) -> None:
        """Accept a message."""
        with _lock:
            self._journal.put(KIND, [self._queue, message["id"]], message)
            super().append(message)

    def remove(self, message: dict[str, Any]) -> None:
        """Delete a message."""
        with _lock:
            self._journal.delete(KIND, [self._queue, message["id"]])
            super().remove(message)

    def clear(self) -> None:
        """Delete all messages."""
        self.reduced_to([])
        super().clear()

    def reduced_to(self, kept: Iterable[dict[str, Any]]) -> "Messages":
        """Delete all messages but these."""
        left = Messages(self._journal, self._queue, kept)
        ids = {message["id"] for message in left}
        for message in self:
            if message["id"] not in ids:
                self._journal.delete(KIND, [self._queue, message["id"]])
        return left

    def note(self, received: Iterable[dict[str, Any]]) -> None:
        """Remember who has received which message, and how often."""
        self._journal.put_all([(KIND, [self._queue, message["id"]], message) for message in received])


class Queue(dict[str, Any]):
    """A queue whose messages stay `Messages`, whatever list takes their place."""

    def __init__(self, journal: Journal, queue: dict[str, Any]) -> None:
        super().__init__(queue)
        super().__setitem__("messages", Messages(journal, queue["attributes"]["QueueArn"], queue["messages"]))

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, self["messages"].reduced_to(value) if name == "messages" else value)


def write_messages_through(journal: Journal) -> None:
    """Every queue that is made keeps its messages in the journal; the queue itself is saved like any resource."""

    class Queues(type(sqs._queues)):  # type: ignore[misc]
        def __setitem__(self, url: str, queue: dict[str, Any]) -> None:
            super().__setitem__(url, Queue(journal, queue))

        def pop(self, url: str, *default: Any) -> Any:
            return _emptied(super().pop(url, *default))

        def pop_scoped(self, account: str, region: str, url: str, *default: Any) -> Any:
            return _emptied(super().pop_scoped(account, region, url, *default))

    sqs._queues = Queues()
    sqs.get_state = state_without_messages
    for name in REPLACING:
        setattr(sqs, name, _alone(getattr(sqs, name)))
    for action, name in REPLACING_HANDLERS.items():
        sqs._HANDLERS[action] = _alone(getattr(sqs, name))
        setattr(sqs, name, sqs._HANDLERS[action])
    collect = sqs._collect_msgs

    def collect_and_note(queue: Queue, *arguments: Any) -> Any:
        with _lock:
            received = collect(queue, *arguments)
            if received:
                queue["messages"].note(received)
            return received

    sqs._collect_msgs = collect_and_note


def _emptied(queue: Any) -> Any:
    """A queue that is deleted; one that gets its name later must not find its messages."""
    if isinstance(queue, Queue):
        queue["messages"].clear()
    return queue


def _alone(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def alone(*arguments: Any, **options: Any) -> Any:
        with _lock:
            return function(*arguments, **options)

    return alone


def state_without_messages() -> dict[str, Any]:
    """All queues, whose messages are entries of their own."""
    return state_of(sqs, "queue_name_to_url", queues=emptied(sqs._queues, "messages", []))


def restore_messages(journal: Journal) -> None:
    """Messages into the queues they belong to, by the time they were sent; others are dropped."""
    messages: dict[str, list[dict[str, Any]]] = {}
    for (queue_arn, _), message in journal.read(KIND):
        messages.setdefault(queue_arn, []).append(message)
    queues = dict(sqs._queues.all_items())
    for (account, region, url), queue in queues.items():
        sent = sorted(messages.pop(queue["attributes"]["QueueArn"], []), key=lambda message: float(message["sent_at"]))
        sqs._queues.set_scoped(account, region, url, Queue(journal, {**queue, "messages": sent}))
    for queue_arn, orphans in messages.items() if queues else ():
        Messages(journal, queue_arn, orphans).clear()
