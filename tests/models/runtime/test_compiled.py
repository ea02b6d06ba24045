"""torch.compile answers as PyTorch does, and leaves changed weights to PyTorch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scumble.errors import InputError
from scumble.models.runtime.compiled import Compiled


class Small(nn.Module):
    """A denoiser's signature, and hardly anything to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, t: Tensor, return_dict: bool = True) -> tuple[Tensor]:
        return (nn.functional.silu(self.layer(x)) * t,)


def model() -> Any:
    return SimpleNamespace(denoiser=Small(), device=torch.device("cpu"), dtype=torch.float32)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_graph_answers_as_the_network_and_leaves_what_changed_to_torch(rows: int) -> None:
    small = model()
    runtime, x, t = Compiled(small, backend="eager"), torch.randn(rows, 4), torch.tensor(3.0)
    with torch.no_grad():
        first = runtime.denoise(x, t, {})
        assert first is not None and torch.equal(first, small.denoiser(x, t)[0])
        kept = first.clone()
        runtime.denoise(2 * x, t, {})
        assert torch.equal(first, kept)  # a second answer leaves the first alone
        small.denoiser.layer.weight.mul_(1.5)
        assert runtime.denoise(x, t, {}) is None


def test_inductor_compiles_a_network_or_says_that_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without a C++ compiler the error is one line that names the way out."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    monkeypatch.setattr(torch._inductor.config, "cpp_cache_precompile_headers", False)  # seconds, for one kernel
    monkeypatch.setattr(torch._inductor.config.cpp, "simdlen", 1)
    small = model()
    runtime, x, t = Compiled(small), torch.ones(2, 4), torch.tensor(3.0)
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        with pytest.raises(InputError, match="use --runtime torch"):
            runtime.denoise(x, t, {})
        return
    with torch.no_grad():
        output = runtime.denoise(x, t, {})
        assert output is not None and torch.allclose(output, small.denoiser(x, t)[0], atol=1e-6)


def test_what_cannot_be_compiled_is_one_line() -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise OSError("no compiler\nhere")

    with pytest.raises(InputError, match=r"cannot compile this network .*no compiler here.*: use --runtime torch"):
        Compiled(model(), backend=broken).denoise(torch.ones(1, 4), torch.tensor(1.0), {})  # type: ignore[arg-type]
