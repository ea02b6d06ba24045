"""What the studio itself remembers, in the ledger's file: the draft, pictures and results. An index of the files."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

__all__ = ["Store"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS studio_draft(
  id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS studio_picture(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, alpha INTEGER NOT NULL,
  pixels TEXT, added REAL NOT NULL);
CREATE TABLE IF NOT EXISTS studio_result(
  id TEXT PRIMARY KEY, request INTEGER NOT NULL, body TEXT NOT NULL, star INTEGER NOT NULL DEFAULT 0,
  trashed INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS studio_inversion(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL, created REAL NOT NULL);
CREATE INDEX IF NOT EXISTS studio_recent ON studio_result(trashed, created);
CREATE INDEX IF NOT EXISTS studio_pixels ON studio_picture(pixels);
"""


class Store:
    """Tables ``studio_*``; every call is one transaction, from whatever thread."""

    def __init__(self, path: Path) -> None:
        self._guard = threading.Lock()
        self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA busy_timeout = 5000")
        self._base.executescript(SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._base.close()

    # ---- draft

    def draft(self) -> dict[str, Any] | None:
        """The document as the last tab left it, with its version."""
        row = self._one("SELECT version, body FROM studio_draft")
        return None if row is None else {**json.loads(row[1]), "version": row[0]}

    def keep_draft(self, body: dict[str, Any], version: int, force: bool) -> int | None:
        """Keep a draft that was made on top of ``version``; None when another one came between."""
        with self._guard:
            row = self._base.execute("SELECT version FROM studio_draft").fetchone()
            now = row[0] if row else 0
            if now != version and not force:
                return None
            text = json.dumps(body, ensure_ascii=False)
            self._base.execute("INSERT OR REPLACE INTO studio_draft VALUES (1, ?, ?)", (now + 1, text))
            return int(now + 1)

    def draft_makes(self, edit: str, tab: str) -> None:
        """Note in the draft of a tab which edit it waits for: a page that is reloaded at once looks for it there."""
        self._do(
            "UPDATE studio_draft SET body = json_set(body, '$.edit', ?) WHERE json_extract(body, '$.tab') = ?",
            (edit, tab),
        )

    # ---- pictures

    def keep_picture(self, digest: str, name: str, size: tuple[int, int], alpha: bool) -> None:
        """Remember a picture's name and size."""
        row = (digest, name, *size, int(alpha), time.time())
        self._do(
            "INSERT OR IGNORE INTO studio_picture(id, name, width, height, alpha, added) VALUES (?, ?, ?, ?, ?, ?)", row
        )

    def keep_pixels(self, digest: str, pixels: str) -> None:
        """Remember the hash of a picture's decoded pixels, by which recipes name it."""
        self._do("UPDATE studio_picture SET pixels = ? WHERE id = ?", (pixels, digest))

    def picture(self, digest: str) -> dict[str, Any] | None:
        """A picture by its id."""
        return self._picture("id", digest)

    def picture_by_pixels(self, pixels: str) -> dict[str, Any] | None:
        """A picture by the hash of its pixels."""
        return self._picture("pixels", pixels)

    def _picture(self, column: str, value: str) -> dict[str, Any] | None:
        row = self._one(
            f"SELECT id, name, width, height, alpha, pixels FROM studio_picture WHERE {column} = ?", (value,)
        )
        if row is None:
            return None
        names = ("id", "name", "width", "height", "alpha", "pixels")
        return {**dict(zip(names, row, strict=True)), "alpha": bool(row[4])}

    # ---- inversions

    def keep_inversion(self, digest: str, name: str, body: dict[str, Any]) -> None:
        """Put an inversion on the shelf, or give it another name and what is known of it."""
        row = (digest, name, json.dumps(body, ensure_ascii=False), time.time())
        self._do(
            "INSERT INTO studio_inversion(id, name, body, created) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(id) DO UPDATE SET name = excluded.name, body = excluded.body", row,
        )  # fmt: skip

    def inversions(self) -> list[dict[str, Any]]:
        """The shelf, the newest first."""
        with self._guard:
            rows = self._base.execute(
                "SELECT id, name, body, created FROM studio_inversion ORDER BY created DESC"
            ).fetchall()
        return [{**json.loads(body), "id": digest, "name": name, "created": at} for digest, name, body, at in rows]

    def drop_inversion(self, digest: str) -> None:
        """Take an inversion off the shelf."""
        self._do("DELETE FROM studio_inversion WHERE id = ?", (digest,))

    # ---- results

    def keep_result(
        self, name: str, request: int, body: dict[str, Any], created: float | None = None
    ) -> dict[str, Any]:
        """Remember a result; a second time the same one replaces it and keeps its star."""
        created = time.time() if created is None else created
        text = json.dumps(body, ensure_ascii=False)
        self._do(
            "INSERT INTO studio_result(id, request, body, created) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(id) DO UPDATE SET body = excluded.body, trashed = 0", (name, request, text, created),
        )  # fmt: skip
        return _result(self._one("SELECT id, body, star, created FROM studio_result WHERE id = ?", (name,)))

    def result(self, name: str) -> dict[str, Any] | None:
        """A result by its id, unless it is in the trash."""
        row = self._one("SELECT id, body, star, created FROM studio_result WHERE id = ? AND trashed = 0", (name,))
        return None if row is None else _result(row)

    def results(self, most: int = 200) -> list[dict[str, Any]]:
        """The latest results, the newest first."""
        with self._guard:
            rows = self._base.execute(
                "SELECT id, body, star, created FROM studio_result WHERE trashed = 0 ORDER BY created DESC LIMIT ?",
                (most,),
            ).fetchall()
        return [_result(row) for row in rows]

    def star(self, name: str, star: bool) -> None:
        """Star a result, or take the star away."""
        self._do("UPDATE studio_result SET star = ? WHERE id = ?", (int(star), name))

    def accepted(self, name: str, picture: str) -> dict[str, Any]:
        """Note which picture a result became when it was accepted as the next source."""
        self._do("UPDATE studio_result SET body = json_set(body, '$.kept', ?) WHERE id = ?", (picture, name))
        return _result(self._one("SELECT id, body, star, created FROM studio_result WHERE id = ?", (name,)))

    def trash(self, name: str) -> None:
        """Take a result out of the list."""
        self._do("UPDATE studio_result SET trashed = 1 WHERE id = ?", (name,))

    def files(self) -> dict[str, str]:
        """Ids of the results in the list, by the names of their files."""
        with self._guard:
            rows = self._base.execute("SELECT id, body FROM studio_result WHERE trashed = 0").fetchall()
        return {str(json.loads(body)["file"]): name for name, body in rows}

    # ---- inside

    def _do(self, text: str, values: tuple[Any, ...]) -> None:
        with self._guard:
            self._base.execute(text, values)

    def _one(self, text: str, values: tuple[Any, ...] = ()) -> Any:
        with self._guard:
            return self._base.execute(text, values).fetchone()


def _result(row: tuple[Any, ...]) -> dict[str, Any]:
    return {**json.loads(row[1]), "id": row[0], "star": bool(row[2]), "created": row[3]}
