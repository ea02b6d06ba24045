"""Networks are called in one place; what a method declares of its phases is what a runtime sees of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch import nn

from scumble.methods.registry import method_class
from scumble.models import forward
from scumble.models.base import Model
from scumble.models.runtime.answers import Answers
from tests.support.all_methods import ALL, FROM_SEED, editor_for, short, soft_map
from tests.support.runtimes import Echo

WITHOUT_DENOISER = ("paint-by-word",)


@contextmanager
def strays(model: Any) -> Iterator[list[str]]:
    """Files that call a whole network of the model past ``models/forward.py``."""
    texts = [encoder.network for encoder in model.text.encoders] if model.takes_text else []
    networks = [(model.denoiser, "forward"), *((text, "forward") for text in texts)]
    if hasattr(model, "vae"):
        networks += [(model.vae, "encode"), (model.vae, "decode")]
    callers: list[str] = []

    def watched(kind: type[nn.Module], name: str, network: nn.Module) -> Any:
        original = getattr(kind, name)

        def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
            frame, files = sys._getframe(1), []
            while frame is not None:
                files.append(frame.f_code.co_filename)
                frame = frame.f_back
            if self is network and forward.__file__ not in files:
                callers.append(f"{name} from {next((file for file in files if '/scumble/' in file), 'nowhere')}")
            return original(self, *args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for network, name in networks:
            patch.setattr(type(network), name, watched(type(network), name, network))
        yield callers


@pytest.mark.parametrize("name", sorted(ALL))
def test_networks_are_called_in_one_place_and_phases_run_where_the_method_says(
    name: str, tmp_path: Path, tiny_sd: Model
) -> None:
    editor = editor_for(name, tiny_sd)
    model = editor.model
    method = short(name, tmp_path, model)
    image = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    echo = model.runtime = Echo(model)
    try:
        with strays(model) as callers:
            if name in FROM_SEED:
                result = editor.generate(method, seed=1)
            else:
                result = editor.edit(image, method.model_copy(update={"change_map": soft_map()}), seed=1)
    finally:
        model.runtime = None
    assert not callers
    fast, calls = echo.answers._fast, echo.answers._calls
    if not calls:
        assert name in WITHOUT_DENOISER
    elif method_class(name).looks_inside:
        assert fast["sample"] < calls["sample"] or "drag" in calls
    else:
        assert fast["sample"] == calls["sample"] and fast["invert"] == calls["invert"]
    assert any(notice.startswith("networks ran in") for notice in result.notices) == bool(calls)


def test_the_sentence_says_which_phase_ran_where() -> None:
    answers = Answers()
    assert answers.sentence("openvino") == ""
    for stage, fast in (("invert", True), ("invert", True), ("sample", False)):
        answers.called(stage)
        if fast:
            answers.answered()
    assert answers.sentence("openvino") == "networks ran in openvino: invert; in torch: sample"
    answers.answered()
    assert answers.sentence("openvino") == "networks ran in openvino: invert, sample"
    answers.called("sample")
    assert answers.sentence("openvino") == (
        "networks ran in openvino: invert, sample (1 of 2 calls); in torch: sample (1 of 2 calls)"
    )
