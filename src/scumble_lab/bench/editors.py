"""Every method as a benchmark sees it: which tasks it is for, and with which settings it does them.

The settings are the same for all cases of a task and chosen before any result is scored. All samplers take 20 steps
unless the method needs more; a case takes the seed of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from scumble.images import paste
from scumble.methods.asyrp.bundled import bundled_directions
from scumble_lab.bench.bench_editor import BenchEditor
from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.two_changes import TWO_CHANGES, single_changes
from scumble_lab.bench.what_stays import what_stays

__all__ = ["EDITORS"]

STEPS = 20
WORDS = ("recolour", "rematerial", "reshape", "remove", "add", "resize", "floor", "sky")
REGION = ("recolour", "rematerial", "reshape", "remove", "add", "floor", "outpaint")
PIXEL = ("recolour", "reshape", "remove", "add")
DIRECTED = ("recolour", "rematerial", "floor", "sky")


def _truth(sample: Sample, seed: int) -> Image.Image:
    return sample.truth


def _noise(sample: Sample, seed: int) -> Image.Image:
    shape = (sample.source.height, sample.source.width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def _pasted(image: Image.Image, sample: Sample) -> Image.Image:
    return image if sample.region is None else paste(image, sample.source, _map(sample))


def _map(sample: Sample) -> Any:
    import torch

    return torch.from_numpy(sample.area).float()


def _prompted(sample: Sample, **more: Any) -> dict[str, Any]:
    return {"prompt": sample.case.prompt, "num_inference_steps": STEPS, **more}


def _both(sample: Sample, **more: Any) -> dict[str, Any]:
    return _prompted(sample, source_prompt=sample.case.source_prompt, **more)


def _region(sample: Sample) -> Any:
    """The region as a change map; None: everywhere."""
    return None if sample.region is None else sample.region.astype(np.float32)


def _inside(sample: Sample, **more: Any) -> dict[str, Any]:
    return _prompted(sample, change_map=_region(sample), **more)


def _swap(sample: Sample) -> dict[str, Any]:
    """Prompt-to-Prompt: only the object's place may change where an object is edited; shapes get more freedom."""
    case = sample.case
    scenes = case.scene_before, case.scene_after
    nouns = case.blend_words
    if case.item is not None and case.task in ("recolour", "rematerial", "reshape") and scenes[0] and scenes[1]:
        nouns = tuple(dict.fromkeys(scene.objects[case.item].shape for scene in scenes if scene))
    hold = 0.2 if case.task in ("reshape", "add", "remove", "resize") else 0.4
    return _both(sample, blend_words=nouns, self_replace=hold)


def _thing(sample: Sample) -> str:
    """How the edited object is called in both prompts: its colour, material and shape."""
    item = sample.case.scenes[0].objects[sample.case.edited]
    return " ".join([item.color, *([item.material] if item.material != "matte" else []), item.shape])


def _guided(sample: Sample) -> dict[str, Any]:
    from scumble_lab.world.words import SIZES

    case = sample.case
    if case.task == "resize":
        return _both(sample, resize={_thing(sample): SIZES[case.word or ""] / SIZES[case.old_word or ""]})
    (x0, y0, x1, y1), size = case.points[0], sample.source.width
    return _both(sample, move={_thing(sample): (round((x1 - x0) / size, 4), round((y1 - y0) / size, 4))})


def _shifted(sample: Sample) -> dict[str, Any]:
    """The shipped direction that is called like the new value, in as many steps as it was trained with."""
    return {"directions": (sample.case.word,), "prompt": what_stays(sample)}


def _has_direction(case: Case) -> bool:
    return case.word in bundled_directions()


def _dragged(sample: Sample) -> dict[str, Any]:
    return _inside(sample, points=sample.case.points) | {"prompt": sample.case.source_prompt}


def _new_thing(sample: Sample) -> str:
    """What the region should show, for methods whose CLIP sees the region only."""
    from scumble_lab.world.captions import FLOOR_PHRASES, noun_phrase

    scene = sample.case.scene_after
    if scene is None or sample.case.item is None or sample.case.task == "remove":
        return "" if sample.case.task == "remove" else sample.case.prompt
    return f"{noun_phrase(scene.objects[sample.case.item])} {FLOOR_PHRASES[scene.floor]}"


def _clip_guided(sample: Sample) -> dict[str, Any]:
    fields = {"prompt": _new_thing(sample), "num_inference_steps": 30}
    return _inside(sample, solver="ddim", eta=1.0) | fields


def _painted(sample: Sample) -> dict[str, Any]:
    return {"prompt": _new_thing(sample), "change_map": _region(sample), "iterations": 30, "augmentations": 8}


_UNGUIDED = dict.fromkeys(
    ("contrast_weight", "similarity_weight", "divergence_weight", "clip_weight", "range_weight"), 0.0
)
RESTYLED = ("rematerial", "floor", "sky")


_ALL: tuple[BenchEditor, ...] = (
    BenchEditor("ideal", "trivial", "returns the true result", trivial=_truth, needs_truth=True),
    BenchEditor("identity", "trivial", "returns the source", trivial=lambda sample, seed: sample.source),
    BenchEditor("noise", "trivial", "returns noise", trivial=_noise),
    BenchEditor(
        "sdedit", "words", "noise to 0.75, denoise under the new words", WORDS, "sdedit",
        lambda s: _prompted(s, strength=0.75),
    ),
    BenchEditor(
        "ddim-inversion", "words", "DDIM inversion under the source's words, then the new ones, guidance 3", WORDS,
        "ddim-inversion", lambda s: _both(s, guidance_scale=3.0),
    ),
    BenchEditor(
        "ddim-inversion-guidance-2", "words", "the same at guidance 2", WORDS, "ddim-inversion",
        lambda s: _both(s, guidance_scale=2.0), variant=True,
    ),
    BenchEditor(
        "cycle-diffusion", "words", "naive DDPM inversion, skip 0.2, guidance 3", WORDS, "cycle-diffusion",
        lambda s: _both(s, guidance_scale=3.0),
    ),
    BenchEditor(
        "ddpm-inversion", "words", "edit-friendly inversion, skip 0.2, guidance 3", WORDS, "ddpm-inversion",
        _both,
    ),
    BenchEditor(
        "ddpm-inversion-skip-10", "words", "edit-friendly inversion, skip 0.1, guidance 3", WORDS, "ddpm-inversion",
        lambda s: _both(s, skip=0.1), variant=True,
    ),
    BenchEditor(
        "ddpm-inversion-skip-36", "words", "edit-friendly inversion, the paper's skip 0.36, guidance 5", WORDS,
        "ddpm-inversion", lambda s: _both(s, skip=0.36, guidance_scale=5.0), variant=True,
    ),
    BenchEditor(
        "prompt-to-prompt", "words", "attention of the source along an edit-friendly inversion", WORDS,
        "prompt-to-prompt", _swap,
    ),
    BenchEditor(
        "plug-and-play", "words", "features of the source along a DDIM inversion, guidance 5", WORDS, "plug-and-play",
        lambda s: _both(s, guidance_scale=5.0),
    ),
    BenchEditor(
        "pix2pix-zero", "words", "cross-attention guidance along a regularised inversion", WORDS, "pix2pix-zero",
        _both,
    ),
    BenchEditor(
        "pix2pix-zero-off", "words", "the same without cross-attention guidance", WORDS, "pix2pix-zero",
        lambda s: _both(s, cross_attention=0.0), variant=True,
    ),
    BenchEditor(
        "paste-at-end", "region", "SDEdit at 0.9 of the whole picture, the region cut out and pasted", REGION,
        "sdedit", lambda s: _prompted(s, strength=0.9), finish=_pasted,
    ),
    BenchEditor(
        "differential-diffusion", "region", "the region as a change map", REGION, "differential-diffusion",
        _inside,
    ),
    BenchEditor(
        "blended-latent-diffusion", "region", "blending in latents; no words where something is removed", REGION,
        "blended-latent-diffusion", lambda s: _inside(s) | ({"prompt": ""} if s.case.task == "remove" else {}),
    ),
    BenchEditor(
        "edit-friendly-in-region", "region", "edit-friendly inversion with the region as a change map", REGION,
        "ddpm-inversion", lambda s: _both(s, change_map=_region(s)),
    ),
    BenchEditor(
        "paint-by-word", "region", "30 steps of Adam on the latent under the CLIP", PIXEL, "paint-by-word", _painted,
    ),
    BenchEditor(
        "blended-diffusion", "region", "pixel model, CLIP gradient, 30 ddim steps with noise", PIXEL,
        "blended-diffusion", _clip_guided, pixels=True,
    ),
    BenchEditor(
        "local-clip-guided-diffusion", "region", "the same held by losses instead of blending", PIXEL,
        "local-clip-guided-diffusion", _clip_guided, pixels=True,
    ),
    BenchEditor("warp-drag", "drag", "pulled along the points, then redrawn where it shows", ("move",), "warp-drag",
                _dragged),
    BenchEditor("drag-noise", "drag", "bottleneck optimised, beginning at the pulled picture", ("move",), "drag-noise",
                _dragged),
    BenchEditor("drag-noise-as-published", "drag", "the same beginning at the picture itself", ("move",), "drag-noise",
                lambda s: _dragged(s) | {"start": "picture"}),
    BenchEditor("drag-noise-from-picture", "drag", "as published, but with five times its learning rate", ("move",),
                "drag-noise", lambda s: _dragged(s) | {"start": "picture", "learning_rate": 0.1}, variant=True),
    BenchEditor("drag-diffusion", "drag", "latent optimised, beginning at the pulled picture", ("move",),
                "drag-diffusion", _dragged),
    BenchEditor("drag-diffusion-as-published", "drag", "the same beginning at the picture itself", ("move",),
                "drag-diffusion", lambda s: _dragged(s) | {"start": "picture"}),
    BenchEditor(
        "self-guidance", "guidance", "move or resize by attention, along a DDIM inversion", ("move", "resize"),
        "self-guidance", _guided,
    ),
    BenchEditor(
        "self-guidance-off", "guidance", "the same route without energies", ("move", "resize"), "self-guidance",
        lambda s: _guided(s) | {"strength": 0.0},
    ),
    BenchEditor(
        "self-guidance-wordless", "guidance", "the same under the source's words: energies alone", ("resize",),
        "self-guidance", lambda s: _guided(s) | {"prompt": s.case.source_prompt}, variant=True,
    ),
    BenchEditor(
        "asyrp", "guidance", "the shipped direction named like the new value, words for what stays", DIRECTED, "asyrp",
        _shifted, able=_has_direction,
    ),
    BenchEditor(
        "asyrp-off", "guidance", "the same route with strength 0", DIRECTED, "asyrp",
        lambda s: _shifted(s) | {"strengths": (0.0,)}, able=_has_direction,
    ),
    BenchEditor(
        "diffuseit", "guidance", "latent model under the new words, structure by a vision transformer", RESTYLED,
        "diffuseit", _both,
    ),
    BenchEditor(
        "diffuseit-off", "guidance", "the same run without its losses", RESTYLED, "diffuseit",
        lambda s: _both(s) | _UNGUIDED,
    ),
    BenchEditor(
        "diffuseit-pixels", "guidance", "pixel model, words by CLIP alone, as in the paper", RESTYLED,
        "diffuseit", lambda s: _both(s) | {"num_inference_steps": 50}, pixels=True, variant=True,
    ),
    BenchEditor(
        "diffuseit-pixels-off", "guidance", "the same run without its losses", RESTYLED, "diffuseit",
        lambda s: _both(s) | {"num_inference_steps": 50} | _UNGUIDED, pixels=True, variant=True,
    ),
)  # fmt: skip


def _each_in_its_region(sample: Sample, **more: Any) -> dict[str, Any]:
    """The source's caption where nothing changes, and each change's in its region."""
    from scumble.methods.words import Words

    case = sample.case
    changes = single_changes(case, sample.source.height)
    words = [Words(case.source_prompt), *(Words(one.text, map=one.region) for one in changes)]
    return {"prompt": words, "source_prompt": case.source_prompt, "num_inference_steps": STEPS, **more}


def _each_where_it_is_found(sample: Sample, **more: Any) -> dict[str, Any]:
    """Each change's caption added, its place found while sampling."""
    from scumble.methods.words import Words

    words = [Words(one.text, map=1.0) for one in single_changes(sample.case, sample.source.height)]
    fields = {"source_prompt": sample.case.source_prompt, "num_inference_steps": STEPS}
    return {**fields, "placed_words": tuple(words), **more}


_TWICE: tuple[BenchEditor, ...] = (
    BenchEditor(
        "two-by-one-prompt", "words", "both changes in one prompt, edit-friendly inversion", TWO_CHANGES,
        "ddpm-inversion", _both,
    ),
    BenchEditor(
        "two-by-places", "region", "a prompt for each region, edit-friendly inversion", TWO_CHANGES,
        "ddpm-inversion", _each_in_its_region,
    ),
    BenchEditor(
        "two-by-ledits", "words", "both changes added, their places found", TWO_CHANGES, "ledits",
        _each_where_it_is_found,
    ),
)  # fmt: skip


def _word_map(sample: Sample, grow: int = 2) -> Any:
    """The map of the edited thing's word in the source, grown as a person's brush goes beyond a thing."""
    from scipy.ndimage import binary_dilation

    from scumble_lab.bench.word_maps import found_map

    grown = binary_dilation(found_map(sample), np.ones((2 * grow + 1, 2 * grow + 1), bool))
    return np.asarray(grown, np.float32)


_CHANGED_THINGS = ("recolour", "rematerial", "reshape")


def _in_word_map(row: BenchEditor) -> BenchEditor:
    """A row's twin in the map of the edited thing's word, in place of the painted region."""
    return replace(
        row,
        name=f"{row.name}-word-map",
        about="the same in the word map of the thing",
        tasks=_CHANGED_THINGS,
        settings=lambda sample: row.settings(sample) | {"change_map": _word_map(sample)},
        able=lambda case: case.names_its_thing,
    )


_BY_WORD_MAP = tuple(
    _in_word_map(row)
    for row in _ALL
    if row.name in ("differential-diffusion", "blended-latent-diffusion", "edit-friendly-in-region")
)


def _in_four_steps(row: BenchEditor, about: str, **changes: Any) -> BenchEditor:
    """A row's twin on the 4-step student, with the student's own steps and guidance."""

    def settings(sample: Sample) -> dict[str, Any]:
        return {**{k: v for k, v in row.settings(sample).items() if k not in _STUDENT_OWN}, **changes}

    return replace(row, name=f"{row.name}-fast", about=about, settings=settings, model="still-life-fast")


_STUDENT_OWN = ("num_inference_steps", "guidance_scale")
_TAUGHT = {row.name: row for row in _ALL}
_FAST = tuple(
    _in_four_steps(_TAUGHT[name], about)
    for name, about in (
        ("sdedit", "the same in 4 steps of the student, without guidance"),
        ("ddim-inversion", "the same along 4 steps of the student"),
        ("cycle-diffusion", "the same along 4 steps of the student"),
        ("ddpm-inversion", "the same along 4 steps of the student"),
        ("prompt-to-prompt", "the same along 4 steps of the student"),
        ("plug-and-play", "the same along 4 steps of the student"),
        ("pix2pix-zero", "the same along 4 steps of the student"),
        ("paste-at-end", "the same in 4 steps of the student"),
        ("differential-diffusion", "the same in 4 steps of the student"),
        ("blended-latent-diffusion", "the same in 4 steps of the student"),
        ("edit-friendly-in-region", "the same along 4 steps of the student"),
        ("warp-drag", "the same in 4 steps of the student"),
        ("drag-noise", "the same in 4 steps of the student"),
        ("self-guidance", "the same along 4 steps of the student"),
        ("diffuseit", "the same in 4 steps of the student"),
    )
)

_INSTRUCTED = (
    BenchEditor(
        "instruct", "words", "the instruction itself, by the instruction model", WORDS, "instruct",
        lambda s: {"prompt": s.case.instruction}, able=lambda case: bool(case.instruction),
        model="still-life-instruct",
    ),
    BenchEditor(
        "instruct-in-region", "region", "the same with the region as a change map", PIXEL, "instruct",
        lambda s: {"prompt": s.case.instruction, "change_map": _region(s)},
        able=lambda case: bool(case.instruction), model="still-life-instruct",
    ),
)  # fmt: skip

EDITORS: Mapping[str, BenchEditor] = {
    editor.name: editor for editor in (*_ALL, *_TWICE, *_BY_WORD_MAP, *_FAST, *_INSTRUCTED)
}
"""All editors by name, in the order of the tables."""
