"""Self-Guidance as a method: neutral at strength 0, on seeds and pictures, with references, and clear refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.methods.guidance.reference import Reference
from scumble.methods.guidance.self_guidance import SelfGuidance
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.methods.registry import method_class
from scumble.records.absent import with_absent

SHORT: dict[str, Any] = {"num_inference_steps": 4, "prompt": "a photo of a cat"}


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image.convert("RGB")).astype(int)


def test_strength_zero_is_the_plain_sampler(tiny_editor: Editor) -> None:
    plain = tiny_editor.generate(TextToImage(**SHORT, guidance_scale=5.0), seed=3)
    quiet = tiny_editor.generate(SelfGuidance(**SHORT, move={"cat": (0.2, 0.0)}, strength=0), seed=3)
    guided = tiny_editor.generate(SelfGuidance(**SHORT, move={"cat": (0.2, 0.0)}), seed=3)
    assert np.array_equal(pixels(plain.image), pixels(quiet.image))
    assert not np.array_equal(pixels(plain.image), pixels(guided.image))
    assert set(guided.reports[0]["energies"]) == {"Shape", "Appearance"}


@pytest.mark.parametrize("trajectory", ["noised", "ddim", "edit-friendly"])
def test_a_picture_is_changed_where_the_map_allows_it(
    tiny_editor: Editor, picture: Image.Image, trajectory: Any
) -> None:
    change = np.zeros((64, 64), np.float32)
    change[:, 32:] = 1
    method = SelfGuidance(
        **SHORT, resize={"cat": 1.5}, by="centre", trajectory=trajectory, change_map=change, inversion_iterations=1
    )
    result = tiny_editor.edit(picture, method, seed=1, count=2)
    for image in result.images:
        assert np.array_equal(pixels(image)[:, :32], pixels(picture)[:, :32])
        assert not np.array_equal(pixels(image)[:, 32:], pixels(picture)[:, 32:])
    assert result.cost.backward_rows > 0


def test_guidance_rests_where_it_is_not_active(tiny_editor: Editor) -> None:
    half = tiny_editor.generate(SelfGuidance(**SHORT, put={"cat": (0.2, 0.7)}, until=0.5), seed=3)
    assert half.cost.backward_rows == 2
    # source (2) and own rows (2) of each step
    assert half.cost.forward_rows == 4 * 4


def test_looks_and_shapes_come_from_other_pictures(tiny_editor: Editor, picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "other.png")
    reference = Reference(
        image=str(tmp_path / "other.png"), prompt="a dog on sand", words={"cat": "dog"}, take=("look", "shape")
    )
    own = tiny_editor.generate(SelfGuidance(**SHORT, references=(reference,)), seed=3)
    plain = tiny_editor.generate(TextToImage(**SHORT, guidance_scale=5.0), seed=3)
    assert not np.array_equal(pixels(own.image), pixels(plain.image))
    own.save(tmp_path / "own.png")  # its recipe names the other picture, and not where it lies
    assert str(tmp_path) not in (tmp_path / "own.png").read_bytes().decode("latin-1")


def test_official_reproduces_the_plain_sum_of_gradients(tiny_editor: Editor) -> None:
    """The notebook adds the gradient without the noise level and without a limit; ours limits its share of eps."""
    common = {**SHORT, "move": {"cat": (0.3, 0.0)}, "by": "centre"}
    official = tiny_editor.generate(SelfGuidance(**common, strength=1.0, compat="official"), seed=3)
    ours = tiny_editor.generate(SelfGuidance(**common, strength=1.0), seed=3)
    assert not np.array_equal(pixels(official.image), pixels(ours.image))


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({}, "nothing is wished"),
        ({"move": {"dog": (0.1, 0.0)}}, "no word 'dog'"),
        ({"resize": {"cat": 0.0}}, "above 0"),
        ({"move": {"cat": (0.1, 0.0)}, "trajectory": "ddim"}, "needs a picture"),
        ({"move": {"cat": (0.1, 0.0)}, "prompt": ("a cat", "the red cat")}, "one prompt, got 2"),
    ],
)
def test_bad_wishes_are_refused(tiny_editor: Editor, wishes: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        tiny_editor.generate(SelfGuidance(**{**SHORT, **wishes}), seed=1)


def test_it_is_registered_and_its_recipe_is_plain_data(tiny_editor: Editor) -> None:
    assert method_class("self-guidance") is SelfGuidance
    method = SelfGuidance(**SHORT, move={"cat": (0.1, 0.0)})
    assert SelfGuidance(**method.model_dump(mode="json", exclude={"change_map"})) == method
    assert torch.is_grad_enabled()


def test_a_candidate_does_not_depend_on_how_many_are_made_at_once(tiny_editor: Editor) -> None:
    method = SelfGuidance(**SHORT, move={"cat": (0.2, 0.0)})
    both = tiny_editor.generate(method, seed=3, count=2)
    alone = tiny_editor.generate(method, seed=4)
    assert np.abs(pixels(both.images[1]) - pixels(alone.image)).max() <= 2


def test_a_reference_is_noised_by_each_candidate_for_itself(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path
) -> None:
    picture.save(tmp_path / "look.png")
    reference = Reference(image=str(tmp_path / "look.png"), prompt="a photo of a dog", words={"cat": "dog"})
    method = SelfGuidance(**SHORT, references=(reference,))
    batched = tiny_editor.generate(method, seed=3, count=3, batch_size=2)
    for k in (1, 2):
        alone = tiny_editor.generate(method, seed=3 + k)
        assert np.abs(pixels(batched.images[k]) - pixels(alone.image)).max() <= 2


def test_a_wish_that_is_fulfilled_leaves_the_picture_alone(tiny_editor: Editor) -> None:
    """Nothing but rounding pulls where all is as wished, and it is not brought to full strength."""
    plain = tiny_editor.generate(TextToImage(**SHORT, guidance_scale=5.0), seed=3)
    apart = {}
    for rule in ("smooth", "sharp"):
        same = tiny_editor.generate(SelfGuidance(**SHORT, keep_shape=("*",), near_zero=rule), seed=3)
        apart[rule] = np.abs(pixels(plain.image) - pixels(same.image)).max()
    assert apart["smooth"] <= 4 and apart["sharp"] > 10 * apart["smooth"], apart


def test_a_recipe_of_0_1_means_the_sharp_rule() -> None:
    fields = SelfGuidance.model_fields
    old, new = (SelfGuidance(prompt="a cat", **with_absent({}, form, fields)).near_zero for form in (1, 2))
    assert (old, new) == ("sharp", "smooth")


def test_what_candidates_share_is_said(tiny_editor: Editor, picture: Image.Image) -> None:
    method = SelfGuidance(**SHORT, keep_look=("cat",), trajectory="edit-friendly")
    several, one = (tiny_editor.edit(picture, method, seed=3, count=count).notices for count in (2, 1))
    assert any("drawn once, by the first candidate's seed" in notice for notice in several)
    assert not any("drawn once" in notice for notice in one)
