"""Judges that a person brings along: LPIPS, a vision transformer, the features of a diffusion model."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.errors import CheckpointError, InputError
from scumble_lab.bench.dift import Dift
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.metrics.lpips import load_lpips
from scumble_lab.bench.score import score
from scumble_lab.bench.tasks import draw

TINY = Path(__file__).parents[2] / "reference" / "tiny-sd"


class Measure:
    """Stands for torchmetrics' LPIPS: wants values in [-1, 1], sums up until it is reset."""

    def __init__(self, net_type: str) -> None:
        if net_type == "vgg":
            raise RuntimeError("no connection")
        self.total = 0.0

    def to(self, device: str) -> Measure:
        return self

    def reset(self) -> None:
        self.total = 0.0

    def __call__(self, one: Tensor, two: Tensor) -> Tensor:
        assert one.min() >= -1 and one.max() <= 1 and one.shape == two.shape
        self.total += float((one - two).abs().mean())
        return torch.tensor(self.total)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("torchmetrics.image.lpip")
    fake.LearnedPerceptualImagePatchSimilarity = Measure  # type: ignore[attr-defined]
    for name in ("torchmetrics", "torchmetrics.image"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "torchmetrics.image.lpip", fake)


def test_lpips_is_of_each_pair_alone_and_of_values_around_zero(measured: None) -> None:
    distance = load_lpips("alex")
    black, white = (Image.new("RGB", (16, 16), value) for value in ("black", "white"))
    assert distance(black, white) == distance(black, white) == 2
    assert distance(black, black) == 0


def test_what_lpips_lacks_is_said(measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="did you mean squeeze"):
        load_lpips("squeez")
    with pytest.raises(CheckpointError, match="could not load its vgg network: no connection"):
        load_lpips("vgg")
    monkeypatch.setitem(sys.modules, "torchmetrics.image.lpip", None)
    with pytest.raises(CheckpointError, match="pip install torchmetrics torchvision"):
        load_lpips("alex")


def test_lpips_is_a_figure_where_it_is_given_and_published_in_parts() -> None:
    def distance(one: Image.Image, two: Image.Image) -> float:
        return float(one.tobytes() != two.tobytes())

    sample = draw("recolour", 0)
    assert sample.target is not None
    judges = Judges(lpips=("alex", distance))
    assert score(sample, sample.source, judges)["lpips"] == 0
    assert score(sample, sample.target, judges)["lpips"] == 1
    assert "background_lpips" not in score(sample, sample.target, judges)
    published = score(sample, sample.target, judges, style="pie-bench")
    assert published["lpips"] == 1 and published["background_lpips"] == 0
    assert "lpips" not in score(sample, sample.source, Judges())


def test_what_was_asked_for_and_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # else the hub is asked again and again
    judges = Judges.load("none-such/clip", tmp_path / "none", str(tmp_path), "alx", str(tmp_path / "model"))
    told = "; ".join(judges.notices)
    for said in ("success is not judged", "words are not judged", "structure is not judged", "LPIPS is left out",
                 "dragged points are not found"):  # fmt: skip
        assert said in told
    assert (judges.classifier, judges.clip, judges.vision, judges.lpips, judges.dift) == (None,) * 5


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="nowhere"):
        Judges.load(device="nowhere")


def test_structure_is_judged_by_the_transformer_that_was_named(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    ViTModel(ViTConfig(**sizes, image_size=16, patch_size=8)).save_pretrained(tmp_path / "own-vit")
    judges = Judges.load(vit=str(tmp_path / "own-vit"))
    assert "structure is judged by own-vit" in judges.notices
    found = judges.structure(draw("floor", 0).source)
    assert found is not None and found.shape == (5, 5)


def test_a_source_is_seen_once_and_pictures_of_one_content_are_told_apart_by_size() -> None:
    seen: list[tuple[int, ...]] = []

    def see(picture: Tensor) -> Tensor:
        seen.append(tuple(picture.shape))
        return picture

    judges = Judges()
    wide, high = Image.new("RGB", (8, 4)), Image.new("RGB", (4, 8))
    for picture in (wide, high, wide, high):
        judges._remembered("x", picture, see)
    assert seen == [(1, 3, 4, 8), (1, 3, 8, 4)]


def test_features_of_a_picture_depend_on_nothing_else_and_any_size_is_taken() -> None:
    dift = Dift.load(str(TINY))
    one, two = draw("move", 0, size=36).source, draw("move", 1, size=36).source
    first = dift(one, "a cube")
    dift(two, "a cube")
    assert torch.equal(first, dift(one, "a cube"))
    assert first.ndim == 3 and not torch.allclose(first, dift(two, "a cube"))
