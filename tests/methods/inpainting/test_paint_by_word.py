"""PaintByWord: what moves, what does not, and that the loss falls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import VQModel
from PIL import Image
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.editing.editor import Editor
from scumble.errors import CheckpointError, MethodError
from scumble.images import latent_map
from scumble.methods.batch import EditBatch
from scumble.methods.clip_scorer import clip_key
from scumble.methods.inpainting.paint_by_word import CODEC, PaintByWord
from scumble.models.base import Model
from scumble.models.codec import VqCodec
from tests.support.blended import box, random_clip, tiny_ddpm


@pytest.fixture(scope="module")
def vq() -> VqCodec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks: dict[str, Any] = {
            "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
            "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4,
        }  # fmt: skip
        network = VQModel(latent_channels=4, num_vq_embeddings=64, vq_embed_dim=4, sample_size=64, **blocks)
        network.quantize.embedding.weight.data.normal_()
    return VqCodec(network)


def make_job(model: Model, seeds: tuple[int, ...] = (3,), mask: Tensor | None = None, codec: Any = None) -> EditBatch:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    batch = EditBatch(model, CounterNoise(seeds), len(seeds), (64, 64), image=image, change=mask)
    batch.cache.put(clip_key("clip"), random_clip())
    if codec is not None:
        batch.cache.put(CODEC, codec)
    return batch


def inside() -> Tensor:
    return box(64, 16, 48, 8, 40)


def test_straight_through_keeps_the_gradient_and_takes_the_nearest_code(vq: VqCodec) -> None:
    z = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    nearest = vq.quantise(z)
    gaps = (z.detach().movedim(1, -1)[..., None, :] - vq.codes).square().sum(dim=-1)
    expected = vq.codes[gaps.argmin(dim=-1)].movedim(-1, 1)
    torch.testing.assert_close(nearest, expected, atol=1e-6, rtol=0)
    weight = torch.randn(nearest.shape, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad((nearest * weight).sum(), z)
    assert torch.equal(gradient, weight)


def test_decoding_agrees_with_the_network(vq: VqCodec) -> None:
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(vq.decode(z), vq.network.decode(z).sample, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["vq", "vae"])
@pytest.mark.parametrize("confine", ["both", "latent", "loss"])
def test_confined_cells_stay_the_sources_and_the_others_move(
    kind: str, confine: Any, vq: VqCodec, tiny_sd: Model
) -> None:
    codec = vq if kind == "vq" else None
    method = PaintByWord(prompt="x", iterations=4, augmentations=2, confine=confine, learning_rate=0.5)
    batch = make_job(tiny_sd, mask=inside(), codec=codec)
    made = method.run(batch)
    start = method.codec(batch).encode(batch.picture)
    assert made is not None
    cells = (latent_map(inside(), method.codec(batch).factor, "max") > 0).expand_as(made)
    assert torch.equal(made[~cells], start[~cells]) is (confine != "loss")
    assert not torch.equal(made[cells], start[cells])
    assert method.decode(batch, made).shape == (1, 3, 64, 64)
    if kind == "vq":
        low, high = vq.bounds  # type: ignore[misc]
        assert bool(((made >= low) & (made <= high)).all())


def test_no_iterations_or_no_words_is_the_round_trip(vq: VqCodec, tiny_sd: Model) -> None:
    batch = make_job(tiny_sd, mask=inside(), codec=vq)
    for method in (PaintByWord(prompt="x", iterations=0), PaintByWord()):
        made = method.run(batch)
        assert made is not None and torch.equal(made, vq.encode(batch.picture))


@pytest.mark.parametrize("kind", ["vq", "vae"])
def test_a_batch_of_seeds_equals_single_runs(kind: str, vq: VqCodec, tiny_sd: Model) -> None:
    codec = vq if kind == "vq" else None
    method = PaintByWord(prompt="x", iterations=3, augmentations=3, clip_batch=4)
    both = method.run(make_job(tiny_sd, (3, 4), inside(), codec))
    assert both is not None
    for k in range(2):
        alone = method.run(make_job(tiny_sd, (3 + k,), inside(), codec))
        # Adam's first steps are signs: an element without gradient may go either way.
        assert float((both[k : k + 1] - alone).abs().median()) < 1e-4  # type: ignore[operator]
    assert not torch.equal(both[0], both[1])


def test_the_loss_falls(tiny_sd: Model) -> None:
    batch = make_job(tiny_sd, mask=inside())
    PaintByWord(prompt="x", iterations=25, augmentations=4, background_weight=0).run(batch)
    assert batch.report.of(0)["clip_loss_after"] < batch.report.of(0)["clip_loss_before"]
    assert (batch.cost.forward_rows, batch.cost.backward_rows) == (0, 0)


def test_the_composite_is_byte_identical_outside(tiny_editor: Editor, picture: Image.Image, monkeypatch: Any) -> None:
    monkeypatch.setattr("scumble.models.clip.ClipScorer.load", lambda *a: random_clip())
    method = PaintByWord(prompt="x", change_map=inside()[0, 0].numpy(), iterations=2, augmentations=2)
    steps: list[int] = []
    result = tiny_editor.edit(picture, method, seed=1, on_step=lambda p: steps.append(p.step))
    kept = inside()[0, 0].numpy() == 0
    assert (np.asarray(result.image)[kept] == np.asarray(picture)[kept]).all()
    assert steps == [1, 2]
    assert result.reports[0]["codec"].endswith("vae")


def test_clear_refusals(picture: Image.Image, tiny_editor: Editor, tmp_path: Any) -> None:
    with pytest.raises(MethodError, match="--vq"):
        Editor(tiny_ddpm()).edit(picture, PaintByWord(prompt="x"), seed=1)
    with pytest.raises(CheckpointError, match="no VQModel"):
        tiny_editor.edit(picture, PaintByWord(vq=str(tmp_path)), seed=1)


def test_a_vq_folder_loads(vq: VqCodec, tmp_path: Any) -> None:
    vq.network.save_pretrained(tmp_path / "vq")
    loaded = VqCodec.load(tmp_path / "vq", torch.device("cpu"))
    assert torch.equal(loaded.codes, vq.codes) and loaded.factor == 2
