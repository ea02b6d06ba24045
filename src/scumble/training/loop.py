"""The one training loop: resume, mixed precision, averaged weights, a CSV log, checkpoints and sample sheets."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from scumble.errors import ScumbleError
from scumble.training.config import Schedule
from scumble.training.ema import Ema
from scumble.training.storage import Checkpoint, disk_errors, latest_checkpoint, save_checkpoint

__all__ = ["Draw", "Progressed", "Task", "train"]


@dataclass(frozen=True)
class Draw:
    """The random numbers of one step, a function of seed and step alone, so that a resumed run repeats them."""

    host: torch.Generator
    device: torch.Generator

    @classmethod
    def of(cls, seed: int, step: int, device: torch.device) -> Draw:
        """The numbers of this step."""
        number = (seed * 1_000_003 + step) % 2**63
        return cls(torch.Generator().manual_seed(number), torch.Generator(device).manual_seed(number))

    def index(self, limit: int, count: int) -> Tensor:
        """`count` whole numbers below `limit`, on the CPU."""
        return torch.randint(0, limit, (count,), generator=self.host)

    def normal(self, like: Tensor) -> Tensor:
        """Normal noise of that shape, on its device."""
        return torch.randn(like.shape, generator=self.device, device=like.device)


class Task(Protocol):
    """What one training is: its networks, its loss, and how it is measured and shown."""

    device: torch.device
    bf16: bool

    def modules(self) -> Mapping[str, nn.Module]:
        """The networks, by name."""
        ...

    def rates(self) -> Mapping[str, float]:
        """Learning rate of each network relative to the schedule's."""
        ...

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of one batch and what to log of it; `progress` is the share of the run that is over."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Figures on held-out scenes; called with the averaged weights in eval mode."""
        ...

    def sheet(self, path: Path) -> None:
        """Write a picture that shows how good it is by now; same weights as `validate`."""
        ...


@dataclass
class Progressed:
    """How far a run is."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0

    def share(self, schedule: Schedule) -> float:
        """The part of the run that is over, 0 to 1."""
        if schedule.steps is not None:
            return min(1.0, self.step / schedule.steps)
        return min(1.0, self.seconds / (schedule.minutes * 60))


def rate(schedule: Schedule, step: int, share: float) -> float:
    """Learning rate: linear warm-up, constant, then half a cosine down from `decay_from`."""
    warm = min(1.0, (step + 1) / schedule.warmup)
    over = max(0.0, (share - schedule.decay_from) / max(1e-9, 1.0 - schedule.decay_from))
    return schedule.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * over)))


class _Run:
    """The state of a training between two steps, and its way to the disk and back."""

    def __init__(self, task: Task, schedule: Schedule, out: Path) -> None:
        self.task, self.schedule, self.out = task, schedule, out
        self.names = [
            f"{key}.{name}" for key, module in task.modules().items() for name, _ in module.named_parameters()
        ]
        groups: list[dict[str, Any]] = [
            {"params": list(module.parameters()), "factor": task.rates()[key]}
            for key, module in task.modules().items()
        ]
        self.parameters = [p for group in groups for p in group["params"]]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=schedule.learning_rate,
            betas=schedule.betas,
            weight_decay=schedule.weight_decay,
            fused=True,
        )
        self.ema = Ema(self.parameters, schedule.ema)
        self.at = Progressed()
        self.figures: dict[str, float] = {}

    def restore(self, checkpoint: Checkpoint) -> None:
        weights, average, moments = (checkpoint.tensors(group) for group in ("weights", "ema", "optimizer"))
        if set(weights) != set(self.names):
            raise ScumbleError(
                f"{checkpoint.folder} is of another model or size: choose another --out, or no --resume"
            )
        with torch.no_grad():
            for name, parameter, shadow in zip(self.names, self.parameters, self.ema.shadow, strict=True):
                parameter.copy_(weights[name])
                shadow.copy_(average[name])
                if f"{name}|step" in moments:
                    self.optimizer.state[parameter] = {
                        key: moments[f"{name}|{key}"].to(parameter.device)
                        for key in ("step", "exp_avg", "exp_avg_sq")
                    }
                    for key in ("exp_avg", "exp_avg_sq"):  # same memory layout as the weights
                        held = self.optimizer.state[parameter][key]
                        self.optimizer.state[parameter][key] = torch.empty_like(parameter).copy_(held)
        self.at = Progressed(*(checkpoint.state[key] for key in ("step", "samples", "seconds")))
        self.figures = dict(checkpoint.state.get("figures", {}))

    def save(self) -> None:
        state = {
            "step": self.at.step,
            "samples": self.at.samples,
            "seconds": self.at.seconds,
            "figures": self.figures,
        }
        moments = {
            f"{name}|{key}": value
            for name, parameter in zip(self.names, self.parameters, strict=True)
            for key, value in self.optimizer.state[parameter].items()
        }
        groups = {
            "weights": dict(zip(self.names, self.parameters, strict=True)),
            "ema": dict(zip(self.names, self.ema.shadow, strict=True)),
            "optimizer": moments,
        }
        save_checkpoint(self.out, self.at.step, groups, {**state, "schedule": self.schedule.model_dump()})

    def step(self) -> dict[str, float]:
        task, schedule = self.task, self.schedule
        share = self.at.share(schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = rate(schedule, self.at.step, share) * group["factor"]
        draw = Draw.of(schedule.seed, self.at.step, task.device)
        with autocast(task):
            loss, said = task.loss(draw, schedule.batch, share)
        if not torch.isfinite(loss):
            raise ScumbleError(
                f"the loss became {loss.item()} at step {self.at.step}: lower the learning rate"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.at.step += 1
        self.at.samples += schedule.batch
        self.ema.update(self.at.step)
        return {"loss": loss.item(), **{key: value.item() for key, value in said.items()}}

    def measure(self) -> None:
        modules = self.task.modules().values()
        for module in modules:
            module.eval()
        with self.ema.applied(), torch.no_grad():
            self.figures = dict(self.task.validate())
            self.task.sheet(self.out / "sheet.png")
        for module in modules:
            module.train()


def autocast(task: Task) -> AbstractContextManager[object]:
    """bf16 where the task asks for it."""
    return torch.autocast(task.device.type, torch.bfloat16) if task.bf16 else nullcontext()


def train(
    task: Task, schedule: Schedule, out: Path, *, resume: bool = False, quiet: bool = False
) -> Progressed:
    """Train until the schedule's minutes (or steps) are used up; `out` gets checkpoints, log.csv and sheet.png.

    With `resume` the newest complete checkpoint in `out` is continued, with the same random numbers
    that an uninterrupted run would have drawn.

    Raises:
        ScumbleError: if `out` holds another model, the disk is full, or the loss is no longer a number.
    """
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    run = _Run(task, schedule, out)
    if resume and (checkpoint := latest_checkpoint(out)):
        run.restore(checkpoint)
    for module in task.modules().values():
        module.train()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), disable=quiet)
    with bar, _Log(out / "log.csv", run.at.step) as log:
        line = bar.add_task(out.name, total=1.0)
        saved = measured = time.monotonic()
        recent: list[dict[str, float]] = []
        while run.at.share(schedule) < 1.0:
            began = time.monotonic()
            recent.append(run.step())
            now = time.monotonic()
            due = now - measured > schedule.validate_minutes * 60
            if due or run.at.step % 50 == 0:
                if due:
                    run.measure()
                    measured = now = time.monotonic()
                log.write(run, recent, now - began)
                bar.update(line, completed=run.at.share(schedule), description=_words(out.name, run, recent))
                recent = []
            run.at.seconds += time.monotonic() - began
            if time.monotonic() - saved > schedule.save_minutes * 60:
                run.save()
                saved = time.monotonic()
        run.measure()
        log.write(run, recent, 0.0)
        run.save()
    return run.at


def _words(name: str, run: _Run, recent: Sequence[Mapping[str, float]]) -> str:
    mean = sum(entry["loss"] for entry in recent) / max(1, len(recent))
    figures = " ".join(f"{key} {value:.3f}" for key, value in run.figures.items())
    return f"{name} step {run.at.step} samples {run.at.samples} loss {mean:.4f} {figures}"


class _Log:
    """log.csv: one line every 50 steps; lines beyond the step that is resumed from are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.step = path, step

    def __enter__(self) -> _Log:
        rows: list[list[str]] = []
        if self.step and self.path.exists():
            with self.path.open(newline="") as old:
                rows = [
                    row for row in csv.reader(old) if row and row[0].isdigit() and int(row[0]) <= self.step
                ]
        self.file = self.path.open("w", newline="")
        self.writer = csv.writer(self.file)
        self.writer.writerows([["step", "samples", "seconds", "values"], *rows])
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, run: _Run, recent: Sequence[Mapping[str, float]], seconds: float) -> None:
        keys = recent[0].keys() if recent else ()
        means = [f"{key}={sum(entry[key] for entry in recent) / len(recent):.5f}" for key in keys]
        figures = [f"{key}={value:.5f}" for key, value in run.figures.items()]
        at = run.at
        self.writer.writerow([at.step, at.samples, f"{at.seconds + seconds:.1f}", *means, *figures])
        with disk_errors(self.path):
            self.file.flush()
