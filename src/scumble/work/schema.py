"""The tables of the ledger, how a request is divided over them, and how the file is opened."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scumble.errors import InputError

__all__ = ["STATES", "join_body", "open_to_read", "open_to_write", "split_body"]

APPLICATION = 0x5363756D
LAYOUT = 1
STATES = ("queued", "running", "done", "failed", "interrupted", "cancelling", "cancelled", "withdrawn")

SCHEMA = f"""
PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {LAYOUT};
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE settings(id INTEGER PRIMARY KEY, sha256 BLOB UNIQUE, body TEXT NOT NULL);
CREATE TABLE model(id INTEGER PRIMARY KEY, name TEXT, weights BLOB, UNIQUE(name, weights));
CREATE TABLE run(id INTEGER PRIMARY KEY, began REAL, ended REAL, host TEXT, pid INTEGER, how TEXT, versions TEXT,
  clean INTEGER);
CREATE TABLE worker(id INTEGER PRIMARY KEY, run INTEGER, name TEXT, device TEXT, about TEXT);
CREATE TABLE request(
  number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, line BLOB NOT NULL, key BLOB,
  settings INTEGER NOT NULL, differs TEXT NOT NULL,
  output TEXT NOT NULL, count INTEGER NOT NULL, model INTEGER, rows INTEGER,
  state TEXT NOT NULL, reason TEXT, error TEXT, hint TEXT,
  priority INTEGER NOT NULL DEFAULT 0, place REAL NOT NULL, affinity BLOB, alone INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, faults INTEGER NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0,
  interruptions INTEGER NOT NULL DEFAULT 0,
  batch INTEGER, seconds REAL, forward INTEGER, backward INTEGER, peak INTEGER,
  run INTEGER, worker INTEGER, source INTEGER, changed REAL NOT NULL);
CREATE INDEX due ON request(state, priority DESC, place);
CREATE INDEX near ON request(state, affinity, priority, place);
CREATE INDEX places ON request(place);
CREATE TABLE output(request INTEGER, k INTEGER, path TEXT UNIQUE NOT NULL, size INTEGER, mtime_ns INTEGER,
  file BLOB, pixels BLOB, PRIMARY KEY(request, k)) WITHOUT ROWID;
CREATE TABLE input(request INTEGER, path TEXT, size INTEGER, mtime_ns INTEGER, sha256 BLOB,
  PRIMARY KEY(request, path)) WITHOUT ROWID;
CREATE TABLE attempt(request INTEGER, number INTEGER, run INTEGER, worker INTEGER, began REAL, ended REAL,
  outcome TEXT, batch INTEGER, error TEXT, PRIMARY KEY(request, number)) WITHOUT ROWID;
"""
"""Written once; an unknown ``user_version`` is refused, never changed silently. ``request.differs`` is what a request
has for itself, ``settings.body`` what many have in common; ``input`` is per request, since a file may change between
two of them."""

SHARED = ("format", "method", "defaults", "model", "view", "batch_size", "quality", "map_inside")
"""What many requests of a list have in common, besides the method's parameters but its words."""
WORDS = ("prompt", "negative_prompt", "source_prompt")


ANEW = "scumble batch --rebuild, or scumble studio --rescan where it is a studio's, makes it anew from the pictures"


def split_body(body: Mapping[str, Any]) -> tuple[str, str]:
    """Divide a settled request into (what many share, what it has for itself), both as JSON."""
    parameters = body.get("parameters") or {}
    shared: dict[str, Any] = {name: body[name] for name in SHARED if name in body}
    shared["parameters"] = {name: value for name, value in parameters.items() if name not in WORDS}
    differs: dict[str, Any] = {name: body[name] for name in body if name not in SHARED and name != "parameters"}
    words = {name: parameters[name] for name in WORDS if name in parameters}
    return _json(shared), _json(differs | ({"parameters": words} if words else {}))


def join_body(shared: str, differs: str) -> dict[str, Any]:
    """The request that :func:`split_body` divided."""
    common, rest = json.loads(shared), json.loads(differs)
    parameters = common.pop("parameters", {}) | rest.pop("parameters", {})
    return {**common, **rest, "parameters": parameters}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a ledger's file, made when it is not there.

    Raises:
        InputError: If it is damaged, of another program, or of another layout.
    """
    base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON",
                       "wal_autocheckpoint = 1000", "journal_size_limit = 67108864"):  # fmt: skip
            base.execute(f"PRAGMA {pragma}")
        if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'request'").fetchone():
            base.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        _check_layout(base, path)
    except sqlite3.DatabaseError as error:
        base.close()
        raise InputError(f"the ledger {path} is damaged ({error}): {ANEW}") from error
    except InputError:
        base.close()
        raise
    return base


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a ledger's file without ever writing to it; errors as :func:`open_to_write`."""
    way = "ro" if os.access(path.parent, os.W_OK) else "ro&immutable=1"
    base = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={way}", uri=True, isolation_level=None, check_same_thread=False
    )
    _check_layout(base, path)
    return base


def _check_layout(base: sqlite3.Connection, path: Path) -> None:
    try:
        application = base.execute("PRAGMA application_id").fetchone()[0]
        layout = base.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise InputError(f"the ledger {path} is damaged ({error}): {ANEW}") from error
    if application != APPLICATION:
        raise InputError(f"{path} is no ledger of scumble")
    if layout != LAYOUT:
        raise InputError(
            f"the ledger {path} has layout {layout}, this version of scumble reads {LAYOUT}: use the newer"
        )
