"""Everything the control plane knows, on disk before anyone is told.

A record is never changed in place: whoever holds one holds it as it was.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.engine.journal import Journal

Record = Mapping[str, Any]


def without_tags(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request's fields as a record keeps them: its tags are kept beside it."""
    return {field: value for field, value in request.items() if field != "Tags"}


class Store:
    """Records by kind and key; fields that begin with an underscore are ours and never leave the service."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._journal = Journal(path)
        self._records: dict[str, dict[str, Record]] = {}

    def _kind(self, kind: str) -> dict[str, Record]:
        if kind not in self._records:
            self._records[kind] = {key[0]: value for key, value in self._journal.read(kind)}
        return self._records[kind]

    def get(self, kind: str, key: str) -> Record | None:
        """A record, or None."""
        with self.lock:
            return self._kind(kind).get(key)

    def put(self, kind: str, key: str, record: Record) -> None:
        """Add or replace a record."""
        with self.lock:
            known = self._kind(kind)
            self._journal.put(kind, [key], dict(record))
            known[key] = record

    def change(self, kind: str, key: str, **fields: Any) -> Record:
        """Replace some fields of a record that is there; None removes a field. Returns the record as it is now."""
        with self.lock:
            changed = {**self._kind(kind)[key], **fields}
            record = {name: value for name, value in changed.items() if value is not None}
            self.put(kind, key, record)
            return record

    def delete(self, kind: str, key: str) -> None:
        """Remove a record if it is there."""
        with self.lock:
            self._kind(kind).pop(key, None)
            self._journal.delete(kind, [key])

    def all(self, kind: str) -> list[Record]:
        """All records of a kind."""
        with self.lock:
            return list(self._kind(kind).values())
