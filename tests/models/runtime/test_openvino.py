"""OpenVINO answers as PyTorch does, and leaves to PyTorch whatever is not the network alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.errors import CheckpointError, InputError
from scumble.models.base import Model
from scumble.models.loading import load
from scumble.models.runtime import openvino
from scumble.models.runtime.cache import RuntimeCache
from scumble.models.runtime.choose import attach
from scumble.models.runtime.convert import Converter
from scumble.models.runtime.openvino import OpenVino
from scumble.models.taps import Tap

if find_spec("openvino") is None:
    pytest.skip("the extra openvino is not installed", allow_module_level=True)
TINY = Path(__file__).parents[2] / "reference" / "tiny-sd"


@pytest.fixture(scope="module")
def cache(conversions: Path) -> RuntimeCache:
    return RuntimeCache(conversions / "runtime")


@pytest.fixture(autouse=True)
def all_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let OpenVINO also run what is small and called once."""
    monkeypatch.setattr(openvino, "SMALL", 0)


def test_small_networks_that_are_called_once_stay_in_torch(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "SMALL", 10**9)
    monkeypatch.setattr(OpenVino, "_graphs", lambda *args: pytest.fail("compiled"))
    fast, runtime = model.decode(torch.zeros(1, model.channels, 8, 8)), model.runtime
    model.runtime = None
    assert torch.equal(fast, model.decode(torch.zeros(1, model.channels, 8, 8)))
    assert runtime is not None


@pytest.fixture
def model(cache: RuntimeCache) -> Iterator[Model]:
    loaded = load(TINY, device="cpu")
    loaded.runtime = OpenVino(loaded, cache=cache)
    yield loaded


def drawn(model: Model, rows: int, side: int = 8) -> tuple[Tensor, Conditioning]:
    x = torch.randn(rows, model.channels, side, side, generator=torch.Generator().manual_seed(rows))
    return x, model.embed(["a cat"]).expand(rows)


def torch_alone(model: Model, x: Tensor, cond: Conditioning, taps: tuple[Tap, ...] = ()) -> Tensor:
    runtime, model.runtime = model.runtime, None
    try:
        with torch.no_grad():
            return model.predict(x, model.schedule.at(500), cond, taps).eps
    finally:
        model.runtime = runtime


@pytest.mark.parametrize(("rows", "side"), [(1, 8), (2, 8), (3, 16)])
def test_the_prediction_is_that_of_torch_for_any_batch_and_size(model: Model, rows: int, side: int) -> None:
    x, cond = drawn(model, rows, side)
    with torch.no_grad():
        fast = model.predict(x, model.schedule.at(500), cond).eps
    slow = torch_alone(model, x, cond)
    assert not torch.equal(fast, slow)  # else nothing was tried
    assert float((fast - slow).abs().max()) < 1e-4 * float(slow.abs().max())


def test_a_level_per_row_is_understood(model: Model) -> None:
    x, cond = drawn(model, 2)
    levels = [model.schedule.at(900), model.schedule.at(100)]
    with torch.no_grad():
        fast = model.predict(x, levels, cond).eps
        model.runtime = None
        slow = model.predict(x, levels, cond).eps
    assert float((fast - slow).abs().max()) < 1e-4 * float(slow.abs().max())


def test_encoding_and_decoding_are_those_of_torch(model: Model) -> None:
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        latent, decoded = model.encode(image), model.decode(model.encode(image))
        model.runtime = None
        expected, picture = model.encode(image), model.decode(model.encode(image))
    assert torch.allclose(latent, expected, atol=1e-4)
    assert torch.allclose(decoded, picture, atol=1e-3)


@pytest.mark.parametrize("skip", [0, 1])
def test_prompts_are_embedded_as_by_torch_and_not_mixed_up(model: Model, skip: int) -> None:
    model.text.skip_layers(skip)
    fast, runtime = model.embed(["a cat"]).text, model.runtime
    model.runtime = None
    slow = model.embed(["a cat"]).text
    assert not torch.equal(fast, slow)  # each runtime has its own
    assert float((fast - slow).abs().max()) < 1e-4 * float(slow.abs().max())
    model.runtime = runtime
    assert torch.equal(model.embed(["a cat"]).text, fast)


def test_what_cannot_be_converted_is_an_error_by_name_and_a_remark_under_auto(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no such operation")

    x, cond = drawn(model, 1)
    model.runtime = None
    expected = torch_alone(model, x, cond)
    for named in (True, False):
        runtime = model.runtime = OpenVino(model, cache=RuntimeCache(tmp_path), named=named)
        monkeypatch.setattr(runtime._converter.openvino, "convert_model", fails)
        with torch.no_grad():
            if named:
                with pytest.raises(CheckpointError, match=r"cannot convert .* use --runtime torch"):
                    model.predict(x, model.schedule.at(500), cond)
            else:
                assert torch.equal(model.predict(x, model.schedule.at(500), cond).eps, expected)
                assert "PyTorch runs it" in runtime.remark


def test_with_a_tap_torch_answers_to_the_last_bit(model: Model) -> None:
    x, cond = drawn(model, 1)
    tap = Tap("mid_block", lambda tensor: None)
    with torch.no_grad():
        seen = model.predict(x, model.schedule.at(500), cond, [tap]).eps
    assert torch.equal(seen, torch_alone(model, x, cond, (tap,)))


def test_gradients_flow(model: Model) -> None:
    x, cond = drawn(model, 1)
    x.requires_grad_(True)
    with torch.enable_grad():
        loss = model.predict(x, model.schedule.at(500), cond).eps.square().sum()
    (slope,) = torch.autograd.grad(loss, x)
    assert bool((slope != 0).any())


def test_changed_weights_are_seen(model: Model) -> None:
    x, cond = drawn(model, 1)
    with torch.no_grad():
        model.predict(x, model.schedule.at(500), cond)
        next(model.denoiser.parameters()).mul_(1.5)
        seen = model.predict(x, model.schedule.at(500), cond).eps
    assert torch.equal(seen, torch_alone(model, x, cond))


def test_what_was_converted_once_is_read_the_next_time(
    model: Model, cache: RuntimeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, cond = drawn(model, 1)
    with torch.no_grad():
        first = model.predict(x, model.schedule.at(500), cond).eps
        again = load(TINY, device="cpu")
        again.runtime = OpenVino(again, cache=cache)
        monkeypatch.setattr(Converter, "_converted", lambda *args: pytest.fail("converted a second time"))
        second = again.predict(x, again.schedule.at(500), cond).eps
    assert np.array_equal(first.numpy(), second.numpy())


def test_a_cache_that_cannot_be_written_costs_a_remark_and_no_result(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    model = load(TINY, device="cpu")
    runtime = model.runtime = OpenVino(model, cache=RuntimeCache(blocked))
    x, cond = drawn(model, 1)
    with torch.no_grad():
        fast = model.predict(x, model.schedule.at(500), cond).eps
    assert float((fast - torch_alone(model, x, cond)).abs().max()) < 1e-4
    assert "not kept" in runtime.remark


def test_what_it_cannot_compute_in_is_refused() -> None:
    with pytest.raises(InputError, match="float32 or bfloat16"):
        OpenVino(load(TINY, device="cpu"), "float16")
    with pytest.raises(InputError, match="load them in float32"):
        OpenVino(load(TINY, device="cpu", dtype="bfloat16"))


def test_torch_takes_a_runtime_away(model: Model) -> None:
    attach(model, "torch")
    assert model.runtime is None


def test_importing_openvino_sends_nothing() -> None:
    code = (
        "import sys; from scumble.models.runtime.installed import import_openvino; import_openvino();"
        " import openvino.tools.ovc; print(sys.modules.get('openvino_telemetry'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
