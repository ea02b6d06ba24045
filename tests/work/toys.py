"""A worker without torch: small files from small requests, and every kind of trouble on demand."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from scumble.errors import CheckpointError, InputError, MemoryLimitError
from scumble.work import faults
from scumble.work.commit import named, temporary_path, written
from scumble.work.process import outcome_of


class Unpicklable(RuntimeError):
    def __reduce__(self) -> Any:
        raise TypeError("no")


class Toy:
    """Writes the request's seed, hashed many times over, as a result of a few kilobytes."""

    def __init__(self, folder: str = "", token: str = "", **options: Any) -> None:
        self.folder, self.token, self.options = Path(folder), token, options
        self.about = {"device": "toy", "pid": os.getpid(), "torch": options.get("torch", "1")}
        if options.get("broken"):
            raise CheckpointError("the toy cannot be loaded")
        if options.get("dies"):
            os._exit(7)

    def ask(self, what: str, data: Any) -> Any:
        return {"echo": data}

    def make(
        self, payload: Mapping[str, Any], tell: Callable[..., None], cancelled: Callable[..., bool]
    ) -> Mapping[str, Any]:
        if "group" in payload:
            return {"members": {one["number"]: self.member(one, tell, cancelled) for one in payload["group"]}}
        request = payload["request"]
        final = self.folder / payload["output"]
        key = key_of(request)
        if final.exists() and final.read_bytes() == content(request["seed"]):
            return {"remark": "found", "files": [placed(self.folder, final)], "key": key}
        self.trouble(request.get("parameters", {}).get("trouble"), payload)
        for step in range(5):
            busy(float(request.get("parameters", {}).get("seconds", 0.01)) / 5)
            tell("progress", stage="sample", step=step + 1, steps=5)
            if cancelled():
                return {"outcome": "cancelled"}
        temporary = temporary_path(final, self.token)
        data = content(request["seed"])
        with temporary.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            faults.at("half-written")
            file.write(data[len(data) // 2 :])
        files = [written(self.folder, temporary, final)]
        faults.at("written")
        if self.options.get("publish"):
            named(self.folder, files)
            files = [{**one, "temporary": None} for one in files]
        resident = request.get("parameters", {}).get("resident", 0)
        return {
            "files": files,
            "resident": resident,
            "key": key,
            "cost": {"seconds": 0.01, "forward": 5},
            "batch": payload.get("batch"),
        }

    def member(
        self, payload: Mapping[str, Any], tell: Callable[..., None], cancelled: Callable[..., bool]
    ) -> Mapping[str, Any]:
        number = payload["number"]
        try:
            return self.make(payload, partial(tell, number=number), partial(cancelled, number))
        except InputError as error:
            return outcome_of(error)

    def trouble(self, kind: str | None, payload: Mapping[str, Any]) -> None:
        once = self.folder / f"{payload['output']}.was-here"
        if kind is None or (kind.startswith("once-") and once.exists()):
            return
        if kind.startswith("once-"):
            once.touch()
            kind = kind.removeprefix("once-")
        if kind == "raise":
            raise InputError("the picture is broken")
        if kind == "unpicklable":
            raise Unpicklable("something odd")
        if kind == "network":
            raise ConnectionError("the network is away")
        if kind == "exit":
            os._exit(3)
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if kind == "hang":
            time.sleep(600)
        if kind == "spin":
            pow(7, 10**9, 10**400000 + 1)  # one long call in C that keeps the interpreter's lock
        if kind == "memory" and payload.get("batch") != 1:
            raise MemoryLimitError("out of memory")
        if kind == "always-memory":
            raise MemoryLimitError("out of memory")
        if kind == "full":
            raise OSError(28, "No space left on device")


def busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        hashlib.sha256(b"x" * 4096).digest()


def content(seed: int) -> bytes:
    """What the result of a seed is."""
    return b"".join(hashlib.sha256(f"{seed}/{k}".encode()).digest() for k in range(256))


def key_of(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(str(request["seed"]).encode()).hexdigest()


def placed(folder: Path, final: Path) -> dict[str, Any]:
    data = final.read_bytes()
    return {"path": final.relative_to(folder).as_posix(), "size": len(data), "file": hashlib.sha256(data).hexdigest()}
