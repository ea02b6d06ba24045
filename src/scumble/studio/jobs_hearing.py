"""What the maker's process says, heard and passed on to the page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from scumble.studio.job_view import prompt_of
from scumble.studio.jobs_filing import JobsFiling
from scumble.studio.jobs_state import NAME
from scumble.work.commit import clear_temporaries, durable, outcome_of_event
from scumble.work.crew import Event
from scumble.work.ledger import Row

__all__ = ["JobsHearing"]

SILENT = 5.0
"""Seconds without a step after which "stop now" is offered."""


class JobsHearing(JobsFiling):
    """Answers, progress, previews and ends of requests."""

    def _hear(self, event: Event) -> None:
        if event.kind == "ready":
            self._worker = self._ledger.begin_worker(NAME, str(event.data.get("device", "")), event.data)
            if self.model["state"] in ("gone", "failed"):
                self._tell_model(state="loading" if self.model["state"] == "gone" else "failed")
                self._load_first()
        elif event.kind == "answer":
            self._answered(event)
        elif event.kind == "progress" and event.number is not None:
            self._progress(event.number, event.data)
        elif event.kind == "preview" and event.number is not None:
            self._preview(event.number, event.data)
        elif event.kind == "finished" and event.number is not None and event.number < 0:
            self._following.finished(event.data)
        elif event.kind == "finished":
            self._finished(event)
        elif event.kind == "died":
            clear_temporaries([self.folder], str(event.data.get("token", "")))
            if self._asked is not None:
                future, self._asked = self._asked[1], None
                if future is not None:
                    future.set_exception(RuntimeError(f"the engine's process ended: {event.data.get('why')}"))
            self._tell_model(state="gone")
        elif event.kind == "left-out":
            self._tell_model(state="failed", error=f"The engine does not start: {event.data.get('why')}")

    def _answered(self, event: Event) -> None:
        if self._asked is None:
            return
        (what, future), self._asked = self._asked, None
        error: Any = event.data.get("error")
        value: Any = event.data.get("value")
        if what == "load":
            if error is not None:
                self._tell_model(state="failed", error=f"The model could not be loaded: {error}")
            else:
                self.takes_text, self.instructs = bool(value["takes_text"]), bool(value["instructs"])
                self.defaults, self.computed = value["defaults"], value.get("computed", {})
                about = {key: value[key] for key in ("name", "device", "milliseconds", "about")}
                self._tell_model(state="ready", error=None, **about)
                self.on_model()  # the reasons of what it cannot do name it
        if future is not None and not future.done():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(RuntimeError(str(error)))

    def _progress(self, number: int, data: Mapping[str, Any]) -> None:
        now = time.monotonic()
        live = self.live.setdefault(number, {"began": now})
        if data.get("stage") != live.get("stage"):
            live["stage_began"], live["first"] = now, data.get("step", 0)
            if self.model["state"] == "gone" and data.get("stage") == "load":
                self._tell_model(state="loading")
        live.update(
            stage=data.get("stage", ""), step=data.get("step", 0), steps=data.get("steps", 0), heard=now, silent=False
        )
        done = live["step"] - live.get("first", 0)
        live["left"] = None
        if done > 0 and live["steps"] > 1:
            pace = (now - live["stage_began"]) / done
            left = pace * (live["steps"] - live["step"])
            live["left"] = [round(0.8 * left, 2), round(1.15 * left, 2)]
        if self.model["state"] == "loading" and live["stage"] not in ("load", ""):
            self.load_quietly()
        shown = {key: live[key] for key in ("stage", "step", "steps", "left", "silent")}
        self.events.publish("progress", {"id": number, **shown})

    def load_quietly(self) -> None:
        """The model was loaded on the way to an edit: ask what it is, after the edit."""
        self._load_first()
        self._tell_model(state="ready")

    def _preview(self, number: int, data: Mapping[str, Any]) -> None:
        live = self.live.setdefault(number, {})
        live["preview"] = live.get("preview", 0) + 1
        live["heard"] = time.monotonic()
        self.jpegs[number] = data["jpeg"]
        self.events.publish("progress", {"id": number, "preview": live["preview"]})

    def _watch_silence(self) -> None:
        if self._at is None:
            return
        live = self.live.get(self._at.number)
        if live and not live.get("silent") and time.monotonic() - live.get("heard", 0.0) > SILENT:
            live["silent"] = True
            self.events.publish("progress", {"id": self._at.number, "silent": True})

    def _finished(self, event: Event) -> None:
        if self._at is None or event.number != self._at.number:
            return
        claim, self._at = self._at, None
        outcome = outcome_of_event(claim.number, event.data, self.folder)
        row = self._ledger.record([outcome])[0]
        if outcome.kind == "done":
            durable({(self.folder / one.path).parent for one in outcome.files})
            self._paced(outcome.cost)
            if (milliseconds := event.data.get("milliseconds")) is not None:
                self._tell_model(milliseconds=milliseconds)
            for k, shown in enumerate(event.data.get("shown", ())):
                self._result(row, k, shown, str(outcome.files[k].path))
        elif outcome.kind == "no-space":
            self._ledger.pause(f"the disk is full: make room, then go on ({outcome.error})")
            self._tell_queue()
        self.live.pop(claim.number, None)
        self.jpegs.pop(claim.number, None)
        self._tell(claim.number)

    def _result(self, row: Row, k: int, shown: Mapping[str, Any], path: str) -> None:
        labels = row.body.get("labels") or {}
        body = {
            "edit": labels.get("edit", row.id),
            "job": row.number,
            "k": int(labels.get("k", 0)) + k,
            "file": path,
            "method": row.body.get("method", ""),
            "prompt": prompt_of(row.body),
            "picture": labels.get("picture", ""),
            "map": labels.get("map") or None,
            "command": labels.get("command", ""),
            "model": (row.body.get("model") or {}).get("name"),
            **shown,
        }
        self.events.publish("result", self.store.keep_result(f"r{row.number}-{k}", row.number, body))
