"""Words with a place, and maps from words: how often two things come out right, and what a map from a word costs.

``python -m benchmarks words`` for both, ``python -m benchmarks.words places|maps|overlap [COUNT]`` for one. Scenes of
seeds that neither training nor the choice of defaults has seen.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from scumble import BlendedLatentDiffusion, TextToImage
from scumble.editing.editor import Editor
from scumble.editing.maps_from_words import word_map
from scumble.images import to_tensor
from scumble.methods.words import Words
from scumble_lab.bench.classifier import Classifier, Reading, load_classifier
from scumble_lab.bench.metrics.success import succeeded
from scumble_lab.bench.tasks import draw
from scumble_lab.world import Scene, caption, render, sample_scene, truths
from scumble_lab.world.captions import FLOOR_PHRASES, SKY_PHRASES, left_to_right, noun_phrase

COUNT, SEED = 48, 1818
RUN = {"num_inference_steps": 12, "solver": "dpmpp_2m", "guidance_scale": 4.0}
RAMP = 16
"""Pixels over which the left half becomes the right one: two cells of the model on either side of the middle."""
GROWN = 2
"""Pixels that a map is grown by, as the benchmark's painted regions are."""


def halves(size: int = 64) -> tuple[Image.Image, Image.Image]:
    """A map of the left half and one of the right, which sum to 1."""
    row = np.clip((size / 2 + RAMP / 2 - np.arange(size) - 0.5) / RAMP, 0, 1)
    left = np.round(np.broadcast_to(row, (size, size)) * 255).astype(np.uint8)
    return Image.fromarray(left), Image.fromarray(255 - left)


def both_right(scene: Scene, read: Reading) -> bool:
    """Whether the picture shows two things, each on its side with its shape and color."""
    wanted = [(item.shape, item.color) for _, item in left_to_right(scene)]
    return [(one.shape, one.color) for one in read.objects] == wanted


def places(editor: Editor, classifier: Classifier, count: int) -> None:
    """Two things by one prompt, and by two prompts with a place: in both ways, and not led by both together."""
    ways: dict[str, list[bool]] = {"one prompt": [], "two places": [], "two places, latent": [], "not led": []}
    rows = dict.fromkeys(ways, 0)
    left, right = halves()
    for k in range(count):
        scene = sample_scene(random.Random(f"places/{SEED}/{k}"), objects=2)
        around = f"{FLOOR_PHRASES[scene.floor]} {SKY_PHRASES[scene.sky]}"
        one, other = (f"{noun_phrase(item)} {around}" for _, item in left_to_right(scene))
        halved = [Words(one, left), Words(other, right)]
        asked = {
            "one prompt": {"prompt": caption(scene)},
            "two places": {"prompt": halved},
            "two places, latent": {"prompt": halved, "places": "latent"},
            "not led": {"prompt": halved, "places": "latent", "lead": 0.0},
        }
        for way, fields in asked.items():
            method = TextToImage(**fields, **RUN)  # type: ignore[arg-type]
            result = editor.generate(method, seed=SEED + k)
            ways[way].append(both_right(scene, classifier(to_tensor(result.images[0]))[0]))
            rows[way] += result.cost.forward_rows
        if (k + 1) % 6 == 0:
            told = ", ".join(
                f"{way} {sum(right)}/{k + 1} ({rows[way] / (k + 1):.0f} rows)" for way, right in ways.items()
            )
            print(f"both right: {told}", flush=True)


def grown(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) grown as a person's brush goes beyond a thing."""
    marked = torch.from_numpy(mask)[None, None].float()
    return F.max_pool2d(marked, 2 * GROWN + 1, stride=1, padding=GROWN)[0, 0].numpy()


def maps(editor: Editor, classifier: Classifier, count: int) -> None:
    """Blended latent diffusion in the painted region, and in the word map of the thing."""
    right: dict[str, list[float]] = {"painted region": [], "word map": []}
    for k in range(count):
        sample = draw(("recolour", "reshape")[k % 2], k // 2, SEED)
        scene, item = sample.case.scene_before, sample.case.item
        assert scene is not None and item is not None and sample.region is not None
        found = word_map(editor.model, sample.source, scene.objects[item].shape, sample.case.source_prompt)
        regions = {
            "painted region": sample.region.astype(np.float32),
            "word map": grown(found.soft > found.threshold).astype(np.float32),
        }
        for way, region in regions.items():
            method = BlendedLatentDiffusion(prompt=sample.case.prompt, change_map=region, **RUN)
            result = editor.edit(sample.source, method, seed=SEED + k)
            right[way].append(succeeded(sample.case, classifier(to_tensor(result.images[0]))[0]))
        if (k + 1) % 6 == 0:
            told = ", ".join(f"{way} {sum(scores):.0f}/{k + 1}" for way, scores in right.items())
            print(f"success: {told}", flush=True)


def overlap(editor: Editor, _classifier: Classifier, count: int) -> None:
    """How well the word map of each thing whose word means it alone fits its true mask."""
    ious: list[float] = []
    for k in range(count):
        scene = sample_scene(random.Random(f"word map/{SEED}/{k}"), objects=1 + k % 2)
        picture = Image.fromarray(render([scene], 64)[0].permute(1, 2, 0).contiguous().numpy())
        shapes = [item.shape for item in scene.objects]
        for shape, mask in zip(shapes, truths(scene, 64).masks.numpy(), strict=True):
            if shapes.count(shape) == 1:
                place = word_map(editor.model, picture, shape, caption(scene))
                inside = place.soft > place.threshold
                ious.append(float((inside & mask).sum() / (inside | mask).sum()))
    print(f"IoU of {len(ious)} things in {count} scenes: mean {np.mean(ious):.3f}, worst {min(ious):.2f}", flush=True)


def main(names: Sequence[str] = ("places", "maps", "overlap"), count: int = COUNT) -> None:
    """Measure what is named."""
    editor, classifier = Editor.from_pretrained(), load_classifier()
    for name in names:
        {"places": places, "maps": maps, "overlap": overlap}[name](editor, classifier, count)


if __name__ == "__main__":
    main(sys.argv[1:2] or ("places", "maps", "overlap"), int(sys.argv[2]) if len(sys.argv) > 2 else COUNT)
