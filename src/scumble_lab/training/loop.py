"""The one training loop, on accelerate: resume, mixed precision, averaged weights, a log, checkpoints and sheets."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from diffusers.training_utils import EMAModel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from scumble.errors import InputError, ScumbleError
from scumble_lab.training.accelerator import accelerator_for
from scumble_lab.training.config import Schedule
from scumble_lab.training.log import Log
from scumble_lab.training.storage import Checkpoint, disk_errors, latest_checkpoint, save_checkpoint

__all__ = ["Draw", "Position", "Task", "train"]


@dataclass(frozen=True)
class Draw:
    """The random numbers of one step, a function of seed and step alone, so that a resumed run repeats them."""

    host: torch.Generator
    device: torch.Generator

    @classmethod
    def of(cls, seed: int, step: int, device: torch.device, rank: int = 0) -> Draw:
        """The numbers of this step, others for each process."""
        number = (seed * 1_000_003 + step + rank * 7_919_000_003) % 2**63
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
class Position:
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


class _Loss(nn.Module):
    """A task's loss as the forward of one module, which accelerate wraps for precision and several processes."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.networks = nn.ModuleDict(task.modules())

    def forward(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        return self.task.loss(draw, batch, progress)


class _Run:
    """The state of a training between two steps, and its way to the disk and back."""

    def __init__(
        self,
        task: Task,
        schedule: Schedule,
        out: Path,
        accelerator: Accelerator,
        before: Sequence[Mapping[str, Any]],
    ) -> None:
        if schedule.batch % accelerator.num_processes:
            processes = accelerator.num_processes
            raise InputError(f"a batch of {schedule.batch} cannot be divided evenly among {processes} processes")
        self.task, self.schedule, self.out, self.accelerator = task, schedule, out, accelerator
        self.before = list(before)
        self.names = [
            f"{key}.{name}" for key, module in task.modules().items() for name, _ in module.named_parameters()
        ]
        groups: list[dict[str, Any]] = [
            {"params": list(module.parameters()), "factor": task.rates()[key]} for key, module in task.modules().items()
        ]
        self.parameters = [p for group in groups for p in group["params"]]
        self.loss = accelerator.prepare(_Loss(task))
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=schedule.learning_rate,
            betas=schedule.betas,
            weight_decay=schedule.weight_decay,
            fused=True,
        )
        self.average = EMAModel(self.parameters, decay=schedule.ema, foreach=True)
        self.at = Position()
        self.figures: dict[str, float] = {}

    def restore(self, checkpoint: Checkpoint) -> None:
        weights, average, moments = (checkpoint.tensors(group) for group in ("weights", "ema", "optimizer"))
        if set(weights) != set(self.names):
            raise ScumbleError(f"{checkpoint.folder} is of another model or size: choose another --out, or no --resume")
        with torch.no_grad():
            for name, parameter, mean in zip(self.names, self.parameters, self.average.shadow_params, strict=True):
                parameter.copy_(weights[name])
                mean.copy_(average[name])
                if f"{name}|step" in moments:
                    self.optimizer.state[parameter] = {
                        key: moments[f"{name}|{key}"].to(parameter.device) for key in ("step", "exp_avg", "exp_avg_sq")
                    }
                    for key in ("exp_avg", "exp_avg_sq"):  # same memory layout as the weights
                        moment = self.optimizer.state[parameter][key]
                        self.optimizer.state[parameter][key] = torch.empty_like(parameter).copy_(moment)
        self.at = Position(*(checkpoint.state[key] for key in ("step", "samples", "seconds")))
        self.average.optimization_step = self.at.step
        self.figures = dict(checkpoint.state["figures"])
        self.before = checkpoint.state.get("before", self.before)

    def save(self) -> None:
        state = {
            "step": self.at.step,
            "samples": self.at.samples,
            "seconds": self.at.seconds,
            "figures": self.figures,
            "before": self.before,
        }
        moments = {
            f"{name}|{key}": value
            for name, parameter in zip(self.names, self.parameters, strict=True)
            for key, value in self.optimizer.state[parameter].items()
        }
        groups = {
            "weights": dict(zip(self.names, self.parameters, strict=True)),
            "ema": dict(zip(self.names, self.average.shadow_params, strict=True)),
            "optimizer": moments,
        }
        save_checkpoint(self.out, self.at.step, groups, {**state, "schedule": self.schedule.model_dump()})

    def share(self) -> float:
        """The part of the run that is over, as the first process sees it."""
        share = torch.tensor(self.at.share(self.schedule), dtype=torch.float64, device=self.accelerator.device)
        return float(broadcast(share))

    def step(self, share: float) -> dict[str, float]:
        schedule, accelerator = self.schedule, self.accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = rate(schedule, self.at.step, share) * group["factor"]
        draw = Draw.of(schedule.seed, self.at.step, self.task.device, accelerator.process_index)
        loss, parts = self.loss(draw, schedule.batch // accelerator.num_processes, share)
        if not torch.isfinite(loss):
            raise ScumbleError(f"the loss became {loss.item()} at step {self.at.step}: lower the learning rate")
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.at.step += 1
        self.at.samples += schedule.batch
        self.average.step(self.parameters)
        return {"loss": loss.item(), **{key: value.item() for key, value in parts.items()}}

    def measure(self) -> None:
        modules = self.task.modules().values()
        for module in modules:
            module.eval()
        self.average.store(self.parameters)
        self.average.copy_to(self.parameters)
        try:
            with torch.no_grad():
                self.figures = dict(self.task.validate())
                self.task.sheet(self.out / "sheet.png")
        finally:
            self.average.restore(self.parameters)
        for module in modules:
            module.train()


def train(
    task: Task,
    schedule: Schedule,
    out: Path,
    *,
    resume: bool = False,
    quiet: bool = False,
    accelerator: Accelerator | None = None,
    before: Sequence[Mapping[str, Any]] = (),
) -> Position:
    """Train until the schedule's minutes (or steps) are used up; `out` gets checkpoints, log.csv and sheet.png.

    `before` are the runs that made the weights it begins with, kept in the checkpoints for the model's card.

    With `resume` the newest complete checkpoint in `out` is continued, with the same random numbers
    that an uninterrupted run would have drawn. `accelerator` defaults to one for the task's device.

    Raises:
        InputError: if the batch cannot be divided among the processes.
        ScumbleError: if `out` holds another model, the disk is full, or the loss is no longer a number.
    """
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    accelerator = accelerator or accelerator_for(task.device, task.bf16)
    run = _Run(task, schedule, out, accelerator, before)
    if resume and (checkpoint := latest_checkpoint(out)):
        run.restore(checkpoint)
    for module in task.modules().values():
        module.train()
    with _Watch(run, quiet) if accelerator.is_main_process else nullcontext() as watch:
        while (share := run.share()) < 1.0:
            began = time.monotonic()
            figures = run.step(share)
            if watch:
                watch.after_step(figures, began)
    return run.at


class _Watch:
    """What the first process does beside the steps: log.csv, the progress bar, measuring and saving when it is time."""

    def __init__(self, run: _Run, quiet: bool) -> None:
        self.run = run
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), disable=quiet)
        self.log = Log(run.out / "log.csv", run.at.step)
        self.recent: list[dict[str, float]] = []

    def __enter__(self) -> _Watch:
        self.bar.start()
        self.line = self.bar.add_task(self.run.out.name, total=1.0)
        self.saved = self.measured = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.run.measure()
                self._write()
                self.run.save()
        finally:
            self.bar.stop()
            self.log.close()

    def after_step(self, figures: dict[str, float], began: float) -> None:
        """Take note of a step that started at `began`; its time, and what is done here, count as training."""
        run, schedule = self.run, self.run.schedule
        self.recent.append(figures)
        due = time.monotonic() - self.measured > schedule.validate_minutes * 60
        if due:
            run.measure()
            self.measured = time.monotonic()
        run.at.seconds += time.monotonic() - began
        if due or run.at.step % 50 == 0:
            self._write()
        if time.monotonic() - self.saved > schedule.save_minutes * 60:
            run.save()
            self.saved = time.monotonic()

    def _write(self) -> None:
        run, recent = self.run, self.recent
        keys = recent[0].keys() if recent else ()
        means = {key: sum(entry[key] for entry in recent) / len(recent) for key in keys}
        with disk_errors(self.log.path):
            self.log.write([run.at.step, run.at.samples, f"{run.at.seconds:.1f}"], {**means, **run.figures})
        figures = " ".join(f"{key} {value:.3f}" for key, value in {**means, **run.figures}.items())
        self.bar.update(
            self.line,
            completed=run.at.share(run.schedule),
            description=f"{run.out.name} step {run.at.step} samples {run.at.samples} {figures}",
        )
        self.recent = []
