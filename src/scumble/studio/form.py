"""A method's form from its definition: what the page asks, in whose words, with which bounds. Runs in a worker."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from scumble.file_field import FileField
from scumble.records.view import View

__all__ = ["TASKS", "describe", "file_fields", "packed_fields", "sent_fields"]

TASKS: dict[str, tuple[str, str, str]] = {
    "differential-diffusion": ("Repaint a place", "Repaint by strength", "as much change as painted"),
    "blended-latent-diffusion": ("Repaint a place", "Repaint a region", "new inside the region, untouched around it"),
    "blended-diffusion": ("Repaint a place", "Repaint under a judge of words", "a judge of words steers the region"),
    "local-clip-guided-diffusion": (
        "Repaint a place",
        "Pull a region towards words",
        "words pull, distance holds the rest",
    ),
    "paint-by-word": ("Repaint a place", "Paint by word", "no diffusion: bent until the word fits"),
    "ddpm-inversion": ("Change the words", "Other words, same picture", "structure stays, what the words name changes"),
    "prompt-to-prompt": ("Change the words", "Exchange single words", "exchange a word, keep the composition"),
    "pix2pix-zero": ("Change the words", "Turn one thing into another", "one thing becomes another, wherever it is"),
    "ledits": ("Change the words", "Several wishes at once", "add and take away several things at once"),
    "ddim-inversion": ("Change the words", "Walk back, then elsewhere", "back to noise, then forward with other words"),
    "cycle-diffusion": ("Change the words", "Same noise, other words", "the picture's noise, other words"),
    "instruct": ("Change the words", "Say what to do", "write it as an instruction: make the cube blue"),
    "instruct-pix2pix": ("Change the words", "Say what to do", "write it as an instruction: make the cube blue"),
    "warp-drag": ("Drag points", "Pull and redraw", "pull things, what they uncover is redrawn"),
    "drag-noise": ("Drag points", "Pull what the network knows", "pulls what the network has recognized"),
    "drag-diffusion": ("Drag points", "Pull the noisy picture", "optimizes the noisy picture along the pull"),
    "self-guidance": ("Move a thing", "Move, resize, keep", "move, resize or keep things by their words"),
    "sdedit": ("Redraw the whole", "Redraw with one strength", "one strength for all of it"),
    "plug-and-play": ("Redraw the whole", "Another picture in this layout", "another picture in this layout"),
    "diffuseit": ("Redraw the whole", "Another look, same structure", "another look over the same structure"),
    "asyrp": ("Redraw the whole", "More or less of an attribute", "more or less of an attribute"),
}
"""Method -> (what the user wants, what it is called in the page, what it does in a few words)."""

CARDS = Path(__file__).parent / "static" / "cards"
"""Small pictures of before and after, made by the methods themselves (web/cards.py)."""
ORDER = tuple(dict.fromkeys(task for task, _, _ in TASKS.values()))
NEED_MAP = ("Repaint a place",)
RELEASES = ("differential-diffusion", "sdedit")
LABELS = {
    "num_inference_steps": "Steps",
    "guidance_scale": "Guidance",
    "source_guidance_scale": "Source guidance",
    "prompt": "Words",
    "negative_prompt": "Words to avoid",
    "source_prompt": "What it shows now",
    "lora_steps": "Adapting steps",
    "compat": "As published",
    "work_size": "Working side",
    "windows": "Most windows",
    "eta": "Noise per step",
}
MUCH = (
    "strength",
    "fill_strength",
    "guidance_scale",
    "skip",
    "cross_replace",
    "self_replace",
    "feature_fraction",
    "attention_fraction",
    "num_inference_steps",
    "window",
    "iterations",
    "lora_steps",
)
"""What "how much" asks, in this order; the first five of a method are in the panel."""
WORDS = ("prompt", "negative_prompt", "source_prompt", "source_word", "target_word", "blend_words", "directions")
USUAL: dict[str, tuple[float, float]] = {
    "guidance_scale": (1, 15),
    "num_inference_steps": (1, 100),
    "iterations": (1, 200),
    "lora_steps": (0, 200),
}
"""What a slider covers where the bounds are far wider."""
AUTO = {
    "num_inference_steps": "50, or 100 for small models",
    "skip": "0.2, or 0.36 for models of 256 px and more",
    "guidance_scale": "what suits the model",
    "source_prompt": "nothing",
    "chunk": "by free memory",
    "context": "as much as needs no scaling",
    "work_size": "what the model was trained on",
    "reach": "the thing that the map is drawn around",
}
HIDDEN = (
    *("change_map", "polarity", "width", "height", "preview", "frames", "keep", "invert_mask", "enforce_background"),
    *("prompt_2", "negative_prompt_2", "original_size", "crops_coords_top_left", "target_size"),
)
PATHS = (
    "direction",
    "vq",
    "references",
    "clip",
    "vision",
    "cache",
    "mask",
    "style_image",
    "placed_words",
)
"""Fields that name files or networks that the page has no place for: they are left to the command line."""
SENT = ("image", "text")
"""Kinds of files that the page sends; what it names afterwards is their hash, never a path."""
BUNDLED = Path(__file__).resolve().parents[1] / "bundled"


def _kinds(fields: Mapping[str, FieldInfo]) -> dict[str, str]:
    """What kind of file each field is that names one."""
    return {name: one.kind for name, field in fields.items() for one in field.metadata if isinstance(one, FileField)}


def sent_fields(fields: Mapping[str, FieldInfo]) -> set[str]:
    """Names of the fields whose file the page sends."""
    return {name for name, kind in _kinds(fields).items() if kind in SENT and name not in PATHS}


def packed_fields(fields: Mapping[str, FieldInfo]) -> dict[str, list[str]]:
    """Fields that may name what is in the package, and the names."""
    names = sorted(path.stem for path in (BUNDLED / "asyrp").glob("*.safetensors"))
    return {name: names for name, kind in _kinds(fields).items() if kind == "direction" and name not in PATHS}


def file_fields(fields: Mapping[str, FieldInfo]) -> set[str]:
    """Names of the fields that the page may not set as values: hidden ones, and files, which go another way."""
    marked = set(_kinds(fields)) - set(packed_fields(fields))
    return marked | {name for name in fields if name in PATHS or name in HIDDEN}


def describe(method: Any, name: str) -> dict[str, Any]:
    """Describe one method class for the page: title, task, and its fields and the view's with kind, bounds and help."""
    summary = " ".join((method.__doc__ or "").strip().split("\n\n")[0].split()).rstrip(".")
    task, title, brief = TASKS.get(name, ("More", name.replace("-", " ").capitalize(), summary))
    fields = method.model_fields
    hidden, sent, packed = file_fields(fields), sent_fields(fields), packed_fields(fields)
    shown = [_field(key, field) for key, field in fields.items() if key not in hidden]
    shown = [{**one, "choices": packed.get(one["name"], one["choices"])} for one in shown]
    shown += [{**_field(key, fields[key]), "kind": "file", "accepts": _kinds(fields)[key]} for key in sorted(sent)]
    shown += [_field(key, field) for key, field in View.model_fields.items()]
    rank = {key: k for k, key in enumerate((*WORDS, *MUCH))}
    shown.sort(key=lambda one: rank.get(one["name"], len(rank)))
    return {
        "name": name,
        "title": title,
        "task": task,
        "summary": summary.replace("`", '"'),
        "brief": brief,
        "card": (CARDS / f"{name}.webp").is_file(),
        "paper": method.paper,
        "points": "points" in fields,
        "places": bool(method.takes_places),
        "inversion": bool(method.takes_inversion),
        "map": task in NEED_MAP,
        "releases": name in RELEASES,
        "unfit": None,
        "needs_text": bool(method.needs_text),
        "instructs": bool(method.takes_instructions),
        "together": bool(fields.get("rank")) or "keep" in fields,
        "fields": shown,
    }


def _field(name: str, field: FieldInfo) -> dict[str, Any]:
    kind, nullable, choices = _kind(field.annotation, name)
    default = field.get_default(call_default_factory=True)
    low, high, is_open, step = _bounds(field)
    usual = USUAL.get(name)
    if usual is None and low is not None and high is not None and high - low <= 1000:
        usual = (low, high)
    group = "words" if name in WORDS else "points" if kind == "points" else "how-much" if name in MUCH else "advanced"
    return {
        "name": name,
        "label": LABELS.get(name, name.replace("_", " ").capitalize()),
        "help": " ".join((field.description or "").split()),
        "group": group,
        "kind": kind,
        "nullable": nullable,
        "auto": AUTO.get(name, "what is usual") if nullable else "",
        "min": low,
        "max": high,
        "open": is_open,
        "step": step,
        "usual": None if usual is None else list(usual),
        "choices": choices,
        "accepts": "",
        "default": _plain(default),
    }


def _kind(annotation: Any, name: str) -> tuple[str, bool, list[str]]:
    """Kind of input, whether nothing may be given, and the choices."""
    arms, nullable = [annotation], False
    if get_origin(annotation) in (Union, types.UnionType):
        arms = [one for one in get_args(annotation) if one is not type(None)]
        nullable = len(arms) < len(get_args(annotation))
    first = arms[0]
    origin = get_origin(first)
    if origin is Literal:
        return "choice", nullable, [str(one) for one in get_args(first)]
    if first is bool:
        return "switch", nullable, []
    if first is int:
        return "integer", nullable, []
    if first is float:
        return "number", nullable, []
    if first is str:
        return "text", nullable, []
    if origin is dict:
        return "table", nullable, []
    if origin is tuple:
        inner = get_args(first)
        if name == "points":
            return "points", nullable, []
        if len(inner) == 2 and inner[1] is Ellipsis:
            return ("list" if inner[0] is str else "json"), nullable, []
        return "pair", nullable, []
    return "json", nullable, []


def _bounds(field: FieldInfo) -> tuple[float | None, float | None, bool, float | None]:
    """Lowest and highest value, whether the lowest itself is excluded, and the step."""
    low: float | None = None
    high: float | None = None
    is_open, step = False, None
    for one in field.metadata:
        if isinstance(one, annotated_types.Ge):
            low = float(one.ge)  # type: ignore[arg-type]
        elif isinstance(one, annotated_types.Gt):
            low, is_open = float(one.gt), True  # type: ignore[arg-type]
        elif isinstance(one, annotated_types.Le):
            high = float(one.le)  # type: ignore[arg-type]
        elif isinstance(one, annotated_types.Lt):
            high = float(one.lt)  # type: ignore[arg-type]
        elif isinstance(one, annotated_types.MultipleOf):
            step = float(one.multiple_of)  # type: ignore[arg-type]
    return low, high, is_open, step


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
