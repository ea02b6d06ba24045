"""A person masks a thing, says nothing, and it is gone."""

from __future__ import annotations

import numpy as np
import pytest

from scumble.editing.editor import Editor
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.score import score
from scumble_lab.bench.tasks import draw


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor.from_pretrained()


def test_a_masked_thing_is_removed_by_an_empty_prompt(editor: Editor) -> None:
    judges, removed, nearer = Judges.load(), [], []
    for number in range(3):
        sample = draw("remove", number, seed=8)
        assert sample.region is not None
        method = BlendedLatentDiffusion(change_map=sample.region.astype(np.float32), num_inference_steps=20)
        made = editor.edit(sample.source, method, seed=1).image
        readings = judges.readings([made])
        assert readings is not None
        removed.append(score(sample, made, judges, readings[0])["success"])
        nearer.append(score(sample, made, judges)["psnr_in"] - score(sample, sample.source, judges)["psnr_in"])
    assert removed == [1.0, 1.0, 1.0]
    assert min(nearer) > 5
