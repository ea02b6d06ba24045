"""Features and self-attention of a source put into other rows: what is exact, and cheap ways equal to plain ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from scumble.core.control import Branch, Control, RunState, Transition
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.prediction import Prediction
from scumble.core.solvers import Ddim
from scumble.errors import MethodError
from scumble.methods.attention.feature_injection import FeatureInjection
from scumble.methods.attention.injection_sites import injection_sites
from scumble.methods.attention.source_features import SourceFeatures
from scumble.models.base import Model
from scumble.models.taps import Tap
from tests.support.source_runs import From, close

STEPS = 6


@dataclass
class Outputs(Control):
    """Remember outputs of modules at each step, and x after it."""

    paths: Sequence[str] = ()
    what: str = "output"
    seen: dict[tuple[int, str], Tensor] = field(default_factory=dict)
    x: dict[int, Tensor] = field(default_factory=dict)
    eps: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def taps(self, ctx: RunState) -> Sequence[Any]:
        def reader(path: str) -> Tap:
            def read(output: Tensor) -> None:
                self.seen[ctx.i, path] = output

            return Tap(path, read, self.what)  # type: ignore[arg-type]

        return [reader(path) for path in self.paths]

    def predict(self, ctx: RunState, rows: Any, prediction: Prediction) -> Prediction:
        self.eps[ctx.i] = {name: row.eps for name, row in rows.items()}
        return prediction

    def after(self, ctx: RunState, move: Transition) -> Transition:
        self.x[ctx.i] = move.mean
        return move


@dataclass
class Leading(Control):
    """Put the source row before all others, as the published batches have it."""

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        return sorted(rows, key=lambda row: row.name != "source")


def path_of(steps: int = STEPS) -> Tensor:
    return torch.randn(steps, 1, 4, 16, 16, generator=torch.Generator().manual_seed(5))


def run(
    model: Model,
    path: Tensor,
    feature: range,
    attention: range,
    *,
    cache: SourceFeatures | None = None,
    watch: Outputs | None = None,
    prompts: tuple[str, str, str] = ("", "a photo of a castle", "blurry"),
    scale: float = 4.0,
    batch: int = 1,
) -> tuple[Tensor, Cost]:
    """Sample from the path's first x with the path's features put in."""
    source, target, negative = prompts
    levels = model.schedule.levels(len(path))
    cost = Cost()
    ctx = RunState(model, levels, Ddim(), CounterNoise(range(batch)), (batch, 4, 16, 16), torch.device("cpu"), cost)
    inject = FeatureInjection(
        injection_sites(model.denoiser), lambda _, i: path[i], model.embed([source]), feature, attention, cache
    )
    guidance = Guidance(model.embed([target]), model.embed([negative]), scale)
    controls = [From(path[0].expand(batch, -1, -1, -1)), guidance, inject, Leading(), *([watch] if watch else [])]
    with torch.no_grad():
        return denoise(ctx, controls), cost


def test_the_layers_are_those_of_the_published_code(tiny_sd: Model) -> None:
    found = injection_sites(tiny_sd.denoiser)
    assert found.feature == "up_blocks.1.resnets.1.conv2"
    blocks = [(1, 1), (1, 2), *((b, k) for b in (2, 3) for k in range(3))]
    wanted = [f"up_blocks.{b}.attentions.{k}.transformer_blocks.0.attn1" for b, k in blocks]
    assert found.attention == tuple(f"{path}.{part}" for path in wanted for part in ("to_q", "to_k"))


def unet(down: Sequence[str], up: Sequence[str]) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        block_out_channels=(8,) * len(down),
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=2,
    )


def test_the_layers_are_found_in_other_networks_too() -> None:
    found = injection_sites(unet(["CrossAttnDownBlock2D"] * 2, ["CrossAttnUpBlock2D"] * 2))
    assert found.feature == "up_blocks.0.resnets.1.conv2"
    assert found.attention[0].startswith("up_blocks.0.attentions.1.") and len(found.attention) == 2 * 5


def test_a_network_without_self_attention_in_its_decoder_is_refused() -> None:
    with pytest.raises(MethodError, match="decoder of this network has no self-attention"):
        injection_sites(unet(["CrossAttnDownBlock2D", "DownBlock2D"], ["UpBlock2D", "UpBlock2D"]))


def test_without_injection_the_source_is_never_evaluated_and_the_run_is_the_plain_one(tiny_sd: Model) -> None:
    path = path_of()
    made, cost = run(tiny_sd, path, range(0), range(0))
    assert cost.forward_rows == 2 * STEPS
    ctx = RunState(
        tiny_sd, tiny_sd.schedule.levels(STEPS), Ddim(), CounterNoise([0]), (1, 4, 16, 16), torch.device("cpu"), Cost()
    )
    guidance = Guidance(tiny_sd.embed(["a photo of a castle"]), tiny_sd.embed(["blurry"]), 4.0)
    with torch.no_grad():
        assert torch.equal(made, denoise(ctx, [From(path[0]), guidance]))


def test_injected_rows_have_the_sources_feature_and_attention_everything_before_is_their_own(tiny_sd: Model) -> None:
    where = injection_sites(tiny_sd.denoiser)
    attention = tuple(dict.fromkeys(path.rsplit(".", 1)[0] for path in where.attention))
    early = "up_blocks.1.attentions.0"
    watch, probs, plain = (
        Outputs([where.feature, early, *where.attention]),
        Outputs(attention, "probs"),
        Outputs([early]),
    )
    path = path_of()
    run(tiny_sd, path, range(4), range(2), watch=watch)
    run(tiny_sd, path, range(4), range(2), watch=probs)
    run(tiny_sd, path, range(1), range(0), watch=plain)
    source, *edited = watch.seen[3, where.feature]
    assert all(torch.equal(source, row) for row in edited)
    for module in where.attention:
        assert all(torch.equal(watch.seen[1, module][0], row) for row in watch.seen[1, module][1:])
    for module in attention:
        assert all(torch.equal(probs.seen[1, module][0], row) for row in probs.seen[1, module][1:])
        assert not close(probs.seen[2, module][0], probs.seen[2, module][1], 1e-6)
    assert torch.equal(watch.seen[0, early], plain.seen[0, early])


def test_a_source_that_is_told_the_same_and_stands_where_the_run_stands_changes_nothing(tiny_sd: Model) -> None:
    path = path_of()
    watch = Outputs()
    run(tiny_sd, path, range(STEPS), range(STEPS), watch=watch, prompts=("a cat", "a cat", ""), scale=3.0)
    assert close(watch.eps[0]["source"], watch.eps[0]["cond"], 1e-5)


@pytest.mark.parametrize(("feature", "attention"), [(range(5), range(3)), (range(2), range(4)), (range(3), range(0))])
def test_features_computed_beforehand_equal_a_source_row_in_every_step(
    tiny_sd: Model, feature: range, attention: range
) -> None:
    path, cache = path_of(), SourceFeatures()
    naive, dear = run(tiny_sd, path, feature, attention)
    cached, cheap = run(tiny_sd, path, feature, attention, cache=cache)
    assert close(naive, cached, 1e-4)
    injected = max(feature.stop, attention.stop)
    assert dear.forward_rows == cheap.forward_rows == 2 * STEPS + injected
    again, free = run(tiny_sd, path, feature, attention, cache=cache, prompts=("", "a dog", ""))
    assert free.forward_rows == 2 * STEPS
    assert close(again, run(tiny_sd, path, feature, attention, prompts=("", "a dog", ""))[0], 1e-4)


def test_the_decoder_is_not_run_further_than_the_last_wanted_module(tiny_sd: Model) -> None:
    reached: list[int] = []
    handle = tiny_sd.denoiser.conv_out.register_forward_hook(lambda *_: reached.append(1))
    late: list[int] = []
    other = tiny_sd.denoiser.up_blocks[2].register_forward_hook(lambda *_: late.append(1))
    try:
        run(tiny_sd, path_of(), range(5), range(0), cache=SourceFeatures())
    finally:
        handle.remove(), other.remove()
    assert len(reached) == len(late) == STEPS  # the steps themselves; the source's call stopped before


def test_a_cache_without_room_falls_back_to_source_rows(tiny_sd: Model) -> None:
    path = path_of()
    whole = SourceFeatures()
    naive, _ = run(tiny_sd, path, range(5), range(5), cache=whole)
    small = SourceFeatures(limit=whole.size // 3)
    limited, cost = run(tiny_sd, path, range(5), range(5), cache=small)
    assert small.size <= whole.size
    assert close(naive, limited, 1e-4)
    none, dear = run(tiny_sd, path, range(5), range(5), cache=SourceFeatures(limit=0))
    assert close(naive, none, 1e-4)
    assert dear.forward_rows == cost.forward_rows == 3 * STEPS - 1


def test_one_source_serves_a_batch(tiny_sd: Model) -> None:
    path = path_of()
    one, _ = run(tiny_sd, path, range(4), range(4))
    three, cost = run(tiny_sd, path, range(4), range(4), batch=3)
    assert close(three, one, 1e-4)
    assert cost.forward_rows == 6 * STEPS + 4


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("name", ["pnp", "pnp_long_inversion", "pnp_off"])
def test_published_runs_are_reproduced(tiny_sd: Model, reference: Any, name: str, cached: bool) -> None:
    case = reference(name)
    told, tolerance = case.settings, case.info["tolerance"]
    feature, attention = range(told["n_feature_steps"]), range(told["n_attention_steps"])
    query = "up_blocks.1.attentions.1.transformer_blocks.0.attn1"
    watch = Outputs(["up_blocks.1.resnets.1.conv2", f"{query}.to_q", f"{query}.to_k"])
    made, _ = run(
        tiny_sd,
        case["source_latents"].unsqueeze(1),
        feature,
        attention,
        cache=SourceFeatures() if cached else None,
        watch=watch,
        prompts=("", told["prompt"], told["negative_prompt"]),
        scale=told["guidance_scale"],
    )
    for key, value in case.tensors.items():
        kind, _, step = key.rpartition("_")
        if kind == "latent":
            assert close(watch.x[int(step)], value, tolerance["latents"]), key
        elif kind == "eps":
            rows = [watch.eps[int(step)].get(row) for row in ("source", "uncond", "cond")]
            pairs = [(a, b[None]) for a, b in zip(rows, value, strict=True) if a is not None]
            assert all(close(a, b, tolerance["q_k_feature"]) for a, b in pairs), key
        elif kind in ("q", "k", "feature"):
            module = watch.paths[("feature", "q", "k").index(kind)]
            found = watch.seen[int(step), module]
            assert close(found, value[-len(found) :], tolerance["q_k_feature"]), key
    assert close(made, case[f"latent_{len(watch.x) - 1}"], tolerance["latents"])
