"""What must outlive `kill -9`, written down before anyone is told that it happened.

MiniStack writes whole services at a clean stop. Rows, executions, logs and undelivered events grow with
use, so here each is one entry of an SQLite file: the cost of a write does not depend on how many there are.
"""

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

COMPRESSION_LEVEL = 1

Key = Sequence[str]


class Journal:
    """Entries by kind and key; every call is durable against the death of the process when it returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # The file system keeps what a killed process wrote; only a power cut could lose the last entries.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry (kind TEXT, key TEXT, value BLOB, PRIMARY KEY (kind, key))"
        )

    def put(self, kind: str, key: Key, value: Any) -> None:
        """Add or replace an entry."""
        self.put_all([(kind, key, value)])

    def put_all(self, entries: Sequence[tuple[str, Key, Any]]) -> None:
        """Add or replace entries, all or none."""
        rows = [(kind, json.dumps(key), _packed(value)) for kind, key, value in entries]
        with self._lock, self._database:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", rows)

    def get(self, kind: str, key: Key) -> Any | None:
        """An entry, or None."""
        with self._lock:
            query = "SELECT value FROM entry WHERE kind = ? AND key = ?"
            row = self._database.execute(query, (kind, json.dumps(key))).fetchone()
        return _unpacked(row[0]) if row else None

    def delete(self, kind: str, key: Key) -> None:
        """Remove an entry if it is there."""
        with self._lock:
            self._database.execute("DELETE FROM entry WHERE kind = ? AND key = ?", (kind, json.dumps(key)))

    def erase(self, kind: str, key: Key) -> None:
        """Remove an entry so that no byte of it is left in the file or in what was written ahead of it."""
        with self._lock:
            self._database.execute("PRAGMA secure_delete = ON")
        self.delete(kind, key)
        with self._lock:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def keys(self, kind: str) -> list[list[str]]:
        """The keys of all entries of a kind."""
        with self._lock:
            rows = self._database.execute("SELECT key FROM entry WHERE kind = ?", (kind,)).fetchall()
        return [json.loads(key) for (key,) in rows]

    def read(self, kind: str) -> Iterator[tuple[list[str], Any]]:
        """All entries of a kind, in the order in which they were last written."""
        with self._lock:
            rows = self._database.execute(
                "SELECT key, value FROM entry WHERE kind = ? ORDER BY rowid", (kind,)
            ).fetchall()
        for key, value in rows:
            yield json.loads(key), _unpacked(value)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._database.execute("DELETE FROM entry")


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), COMPRESSION_LEVEL)


def _unpacked(value: bytes) -> Any:
    return json.loads(zlib.decompress(value))
