"""Add-ons of a checkpoint: LoRA files, another decoder, learned words, the way of sampling. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from scumble.core.traits_of_sampling import FewSteps, PredictionType, PromptSyntax, Spacing
from scumble.errors import InputError, nearest

__all__ = ["AddOns", "Lora"]


@dataclass(frozen=True)
class Lora:
    """A LoRA file and how strongly it acts."""

    file: Path
    weight: float = 1.0

    @classmethod
    def read(cls, given: Any) -> Lora:
        """Read ``FILE``, ``FILE:WEIGHT`` or a pair.

        Raises:
            InputError: If the weight is no number from -10 to 10.
        """
        if isinstance(given, Lora):
            return given
        if isinstance(given, str | Path):
            text = str(given)
            name, colon, tail = text.rpartition(":")
            # a colon of a drive (C:\file) is followed by no number; a file whose name ends so is taken as it is
            if not colon or Path(text).expanduser().is_file() or "/" in tail or "\\" in tail:
                return cls(Path(text).expanduser())
            given = name, tail
        file, weight = given
        try:
            number = float(weight)
        except ValueError as error:
            raise InputError(f"--lora {file}:{weight}: the weight must be a number, such as 0.8") from error
        if not -10 <= number <= 10:
            raise InputError(f"--lora {file}: the weight must be -10 to 10, got {weight}")
        return cls(Path(file).expanduser(), number)


@dataclass(frozen=True)
class AddOns:
    """What is put on a checkpoint after it was loaded.

    Attributes:
        lora: In the order in which they are added to the weights.
        vae: A folder or file with another autoencoder.
        textual_inversion: Files with learned words; a file without a name for its word gets its own.
        clip_skip: Text encoder layers left out at the end: 1 is what other programs call "clip skip 2".
        prediction_type: What the network predicts, where its file does not say.
        schedule: How a run spreads its levels.
        few_steps: For which distilled kind the run is set; ``auto`` reads it off the names of the files.
        prompt_syntax: ``weighted``: ``(red:1.3)`` in a prompt is a weight; by default parentheses are letters.
        control: A folder or file with a ControlNet; a pipeline may bring its own.
        control_image: What it follows: a file, an image or an array of the edited picture's shape.
        control_scale: How strongly.
        ip_adapter: A folder or file with an IP-Adapter, its image encoder beside it.
        ip_image: The picture that it tells the network: a file, an image or an array.
        ip_scale: How strongly.
        preview_vae: A folder with a small autoencoder (TAESD) by which previews are decoded, and nothing else.
    """

    lora: tuple[Lora, ...] = ()
    vae: Path | None = None
    textual_inversion: tuple[Path, ...] = ()
    clip_skip: int | None = None
    prediction_type: str | None = None
    schedule: str | None = None
    few_steps: str | None = None
    prompt_syntax: str | None = None
    control: Path | None = None
    control_image: Any = field(default=None, compare=False)
    control_scale: float | None = None
    ip_adapter: Path | None = None
    ip_image: Any = field(default=None, compare=False)
    ip_scale: float | None = None
    preview_vae: Path | None = None

    @classmethod
    def read(cls, **given: Any) -> AddOns:
        """Read what a user gave, with None and empty for what was left out.

        Raises:
            InputError: For a name that there is not, a file that is not there, or a number out of range.
        """
        known = {one.name for one in fields(cls)}
        for name in given:
            if name not in known:
                raise InputError(f"a model has no setting {name!r}{nearest(name, known)}")
        loras = tuple(Lora.read(one) for one in _several(given.get("lora")))
        words = tuple(Path(one).expanduser() for one in _several(given.get("textual_inversion")))
        vae = None if given.get("vae") is None else Path(given["vae"]).expanduser()
        for flag, path in [*(("lora", one.file) for one in loras), *(("textual-inversion", one) for one in words)]:
            if not path.is_file():
                raise InputError(f"--{flag} {path.name!r} is no file here")
        if vae is not None and not vae.exists():
            raise InputError(f"--vae {vae.name!r} is neither a folder nor a file here")
        skip = given.get("clip_skip")
        if skip is not None and not 1 <= skip <= 11:
            raise InputError(f"--clip-skip must be 1 to 11, got {skip}; leave it out for none")
        names = {
            "prediction_type": PredictionType,
            "schedule": Spacing,
            "few_steps": FewSteps,
            "prompt_syntax": PromptSyntax,
        }
        for name, kinds in names.items():
            if given.get(name) is not None and given[name] not in get_args(kinds):
                raise InputError(
                    f"--{name.replace('_', '-')} must be one of {', '.join(get_args(kinds))}, got {given[name]!r}"
                )
        preview = None if given.get("preview_vae") is None else Path(given["preview_vae"]).expanduser()
        if preview is not None and not preview.is_dir():
            raise InputError(f"--preview-vae {preview.name!r} is no folder here")
        control, image, scale = _control(given)
        settings: dict[str, Any] = {name: given.get(name) for name in names}
        adapter, shown, strength = _image_prompt(given)
        settings |= {"ip_adapter": adapter, "ip_image": shown, "ip_scale": strength}
        settings |= {"control": control, "control_image": image, "control_scale": scale, "preview_vae": preview}
        return cls(loras, vae, words, skip, **settings)

    def __bool__(self) -> bool:
        return self != AddOns() or self.control_image is not None


def _control(given: Mapping[str, Any]) -> tuple[Path | None, Any, float | None]:
    """The ControlNet, its picture and its scale, checked."""
    network = _existing("--control", given.get("control"))
    image, scale = given.get("control_image"), given.get("control_scale")
    if network is not None and image is None:
        raise InputError("--control needs the picture that it follows: --control-image FILE")
    if scale is not None and image is None:
        raise InputError("--control-scale is for a ControlNet: give --control and --control-image, too")
    return network, image, _in_range("--control-scale", scale)


def _image_prompt(given: Mapping[str, Any]) -> tuple[Path | None, Any, float | None]:
    """The IP-Adapter, its picture and its scale, checked."""
    adapter = _existing("--ip-adapter", given.get("ip_adapter"))
    image, scale = given.get("ip_image"), given.get("ip_scale")
    if (adapter is None) != (image is None):
        raise InputError("--ip-adapter FOLDER_OR_FILE and --ip-image FILE belong together: give both")
    if scale is not None and adapter is None:
        raise InputError("--ip-scale is for an IP-Adapter: give --ip-adapter and --ip-image, too")
    return adapter, image, _in_range("--ip-scale", scale)


def _existing(flag: str, given: Any) -> Path | None:
    path = None if given is None else Path(given).expanduser()
    if path is not None and not path.exists():
        raise InputError(f"{flag} {path.name!r} is neither a folder nor a file here")
    return path


def _in_range(flag: str, scale: float | None) -> float | None:
    if scale is not None and not 0 <= scale <= 10:
        raise InputError(f"{flag} must be 0 to 10, got {scale:g}")
    return scale


def _several(given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str | Path | Lora) else tuple(given)
