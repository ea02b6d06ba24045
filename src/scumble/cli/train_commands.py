"""`scumble train …`: one command per model, all with the same flags; every flag is a parameter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from scumble.errors import InputError, nearest
from scumble_lab.training.config import Schedule, SizeName, preset

if TYPE_CHECKING:
    from scumble_lab.training.loop import Task
    from scumble_lab.training.run_folder import RunFolder

__all__ = ["COMMANDS", "classifier", "clip", "fast", "instruct", "judge", "latent", "pixel", "publish", "report", "vae"]

DEFAULT_OUT = Path("out/training")


def _workshop(size: SizeName, out: Path) -> RunFolder:
    """The working folder of that size.

    Raises:
        InputError: if the size needs a device that is not there.
    """
    from scumble_lab.training.run_folder import RunFolder

    shop = RunFolder(out, preset(size))
    if shop.size.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError(f"size {size} trains on a CUDA device and none is available: use --size cpu")
    return shop


def _trains(model: str, about: str, task_of: Callable[[RunFolder], Task]) -> Callable[..., None]:
    """The command that trains one model: all of them have the same flags."""

    def command(
        size: SizeName = "cpu",
        minutes: float | None = None,
        out: Path = DEFAULT_OUT,
        resume: bool = False,
        published: bool = False,
    ) -> None:
        _train(model, task_of, size, minutes, out, resume, published)

    command.__name__ = command.__qualname__ = model
    command.__doc__ = f"""{about}

    Args:
        size: The model of the package (cpu), or the larger one for a CUDA device (gpu).
        minutes: How long; by default the time that the size plans for it.
        out: Working folder of all models.
        resume: Go on from the newest checkpoint in the working folder.
        published: Begin with the weights in the package where there is no checkpoint.
    """
    return command


def _clip_task(model: str) -> Callable[[RunFolder], Task]:
    def task_of(shop: RunFolder) -> Task:
        from scumble_lab.training.clip import ClipTask

        return ClipTask(shop.size, getattr(shop.size, model), shop.world())

    return task_of


def _vae_task(shop: RunFolder) -> Task:
    from scumble_lab.training.vae import VaeTask

    return VaeTask(shop.size, shop.world())


def _classifier_task(shop: RunFolder) -> Task:
    from scumble_lab.training.classifier import ClassifierTask

    return ClassifierTask(shop.size, shop.world())


def _latent_task(shop: RunFolder) -> Task:
    from scumble_lab.training.latent import LatentTask

    return LatentTask(shop)


def _fast_task(shop: RunFolder) -> Task:
    from scumble_lab.training.fast import FastTask

    return FastTask(shop)


def _instruct_task(shop: RunFolder) -> Task:
    from scumble_lab.training.instruct import InstructTask

    return InstructTask(shop)


def _pixel_task(shop: RunFolder) -> Task:
    from scumble_lab.training.pixel import PixelTask

    return PixelTask(shop.size, shop.world())


vae = _trains("vae", "Train the autoencoder.", _vae_task)
clip = _trains("clip", "Train the CLIP pair that guides and ranks.", _clip_task("clip"))
judge = _trains("judge", "Train the second CLIP pair, which only judges.", _clip_task("judge"))
classifier = _trains("classifier", "Train the attribute classifier.", _classifier_task)
latent = _trains(
    "latent", "Train the latent U-Net with its text encoder; needs the autoencoder and the CLIP pair.", _latent_task
)
fast = _trains("fast", "Distil the latent model to four steps; needs it, or takes the published one.", _fast_task)
instruct = _trains(
    "instruct", "Train the U-Net that edits as it is asked to; begins as the latent model.", _instruct_task
)
pixel = _trains("pixel", "Train the unconditional pixel U-Net.", _pixel_task)


def _train(
    model: str,
    task_of: Callable[[RunFolder], Task],
    size: SizeName,
    minutes: float | None,
    out: Path,
    resume: bool,
    published: bool,
) -> None:
    """Train one model: from nothing, from its newest checkpoint, or else from its published weights."""
    from scumble_lab.training.accelerator import accelerator_for
    from scumble_lab.training.loop import train
    from scumble_lab.training.publish import BUNDLED, load_published

    shop = _workshop(size, out)
    schedule: Schedule = getattr(shop.size, model).schedule
    if minutes is not None:
        schedule = schedule.model_copy(update={"minutes": minutes})
    accelerator = accelerator_for(shop.size.device, shop.size.bf16)
    with accelerator.main_process_first():  # for files that are made once
        task = task_of(shop)
        runs = load_published(task.modules(), model, BUNDLED) if published else ()
    before = [run.model_dump() for run in runs]
    quiet = not accelerator.is_main_process
    train(task, schedule, shop.folder(model), resume=resume, quiet=quiet, accelerator=accelerator, before=before)
    accelerator.end_training()


def publish(size: SizeName = "cpu", out: Path = DEFAULT_OUT, models: str = "all", bundled: Path | None = None) -> None:
    """Write trained models in fp16 as bundled folders.

    Args:
        models: Comma-separated names out of latent, fast, instruct, pixel, clip, judge, classifier; or all.
        bundled: Where to; by default into the installed package.
    """
    from scumble_lab.training.publish import BUNDLED
    from scumble_lab.training.publish import publish as write

    shop = _workshop(size, out)
    for model in _named(models):
        print(f"{model}: {write(shop, model, bundled or BUNDLED)}")


def report(models: str = "all", count: int = 256, bundled: Path | None = None, docs: Path = Path("docs")) -> None:
    """Measure the bundled models on unseen scenes; write their cards and docs/bundled-models.md.

    Args:
        models: Comma-separated names to measure now; "none" rewrites the pages from figures measured before.
        count: Unseen scenes for each model.
        bundled: The models; by default those in the installed package.
        docs: Where the page and its pictures go.
    """
    from scumble_lab.training.publish import BUNDLED
    from scumble_lab.training.report import report as write

    print(write(bundled or BUNDLED, docs, [] if models == "none" else _named(models), count))


def _named(models: str) -> list[str]:
    from scumble_lab.training.publish import FOLDERS

    names = list(FOLDERS) if models == "all" else [name.strip() for name in models.split(",")]
    for name in names:
        if name not in FOLDERS:
            raise InputError(f"unknown model {name!r}{nearest(name, FOLDERS)}: known are {', '.join(FOLDERS)}")
    return names


COMMANDS: dict[str, Callable[..., None]] = {
    "vae": vae,
    "clip": clip,
    "judge": judge,
    "classifier": classifier,
    "latent": latent,
    "fast": fast,
    "instruct": instruct,
    "pixel": pixel,
    "report": report,
    "publish": publish,
}
