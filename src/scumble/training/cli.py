"""`scumble train …`: one function per model; every flag is a parameter."""

from __future__ import annotations

from pathlib import Path

from scumble.training.config import Schedule, SizeName, preset
from scumble.training.workshop import Workshop

__all__ = ["COMMANDS", "classifier", "clip", "judge", "latent", "pixel", "vae"]

DEFAULT_OUT = Path("out/training")


def _workshop(size: SizeName, out: Path) -> Workshop:
    return Workshop(out, preset(size))


def _scheduled(schedule: Schedule, minutes: float | None) -> Schedule:
    return schedule if minutes is None else schedule.model_copy(update={"minutes": minutes})


def vae(
    size: SizeName = "cpu", minutes: float | None = None, out: Path = DEFAULT_OUT, resume: bool = False
) -> None:
    """Train the autoencoder."""
    from scumble.training.loop import train
    from scumble.training.vae import VaeTask

    shop = _workshop(size, out)
    task = VaeTask(shop.size, shop.world())
    train(task, _scheduled(shop.size.vae.schedule, minutes), shop.folder("vae"), resume=resume)


def clip(
    size: SizeName = "cpu", minutes: float | None = None, out: Path = DEFAULT_OUT, resume: bool = False
) -> None:
    """Train the CLIP pair that guides and ranks."""
    from scumble.training.clip import ClipTask
    from scumble.training.loop import train

    shop = _workshop(size, out)
    config = shop.size.clip
    train(
        ClipTask(shop.size, config, shop.world()),
        _scheduled(config.schedule, minutes),
        shop.folder("clip"),
        resume=resume,
    )


def judge(
    size: SizeName = "cpu", minutes: float | None = None, out: Path = DEFAULT_OUT, resume: bool = False
) -> None:
    """Train the second CLIP pair, which only judges."""
    from scumble.training.clip import ClipTask
    from scumble.training.loop import train

    shop = _workshop(size, out)
    config = shop.size.judge
    train(
        ClipTask(shop.size, config, shop.world()),
        _scheduled(config.schedule, minutes),
        shop.folder("judge"),
        resume=resume,
    )


def classifier(
    size: SizeName = "cpu", minutes: float | None = None, out: Path = DEFAULT_OUT, resume: bool = False
) -> None:
    """Train the attribute classifier."""
    from scumble.training.classifier import ClassifierTask
    from scumble.training.loop import train

    shop = _workshop(size, out)
    schedule = _scheduled(shop.size.classifier.schedule, minutes)
    train(ClassifierTask(shop.size, shop.world()), schedule, shop.folder("classifier"), resume=resume)


def latent(
    size: SizeName = "cpu", minutes: float | None = None, out: Path = DEFAULT_OUT, resume: bool = False
) -> None:
    """Train the latent U-Net with its text encoder; needs the autoencoder and the CLIP pair."""
    from scumble.training.latent import LatentTask
    from scumble.training.loop import train

    shop = _workshop(size, out)
    schedule = _scheduled(shop.size.latent.schedule, minutes)
    train(LatentTask(shop), schedule, shop.folder("latent"), resume=resume)


def pixel(
    size: SizeName = "cpu", minutes: float | None = None, out: Path = DEFAULT_OUT, resume: bool = False
) -> None:
    """Train the unconditional pixel U-Net."""
    from scumble.training.loop import train
    from scumble.training.pixel import PixelTask

    shop = _workshop(size, out)
    schedule = _scheduled(shop.size.pixel.schedule, minutes)
    train(PixelTask(shop.size, shop.world()), schedule, shop.folder("pixel"), resume=resume)


COMMANDS = {
    "vae": vae,
    "clip": clip,
    "judge": judge,
    "classifier": classifier,
    "latent": latent,
    "pixel": pixel,
}
