"""Asyrp: parity with the published step, block and loop; what must hold exactly; training on a tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.controls.asymmetric_step import AsymmetricStep
from scumble.controls.start import StartAt
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, RunState, StepResult
from scumble.core.cost import Cost
from scumble.core.dpm_solvers import DpmSolverPP2M
from scumble.core.guidance import Guidance
from scumble.core.loop import Stopped, denoise
from scumble.core.noise import CounterNoise
from scumble.core.prediction import Prediction
from scumble.core.schedule import CLEAN, Schedule
from scumble.core.solver import Evaluation
from scumble.core.solvers import Ddim
from scumble.editing.editor import Editor
from scumble.errors import CheckpointError, InputError, MethodError
from scumble.inversion.current_level import current_level_path, spread_levels
from scumble.methods.asyrp.asyrp import Asyrp
from scumble.methods.asyrp.bundled import bundled_directions, load_direction
from scumble.methods.asyrp.delta import DeltaBlock
from scumble.methods.asyrp.direction import Direction, DirectionInfo
from scumble.methods.asyrp.distillation import DistillationLoss
from scumble.methods.asyrp.from_clip import train_direction
from scumble.methods.asyrp.from_model import teach_direction
from scumble.methods.asyrp.interval import smallest_time
from scumble.methods.asyrp.joint_shift import joint_shift
from scumble.methods.asyrp.solver import BoostedDdim
from scumble.methods.asyrp.training import train
from scumble.methods.asyrp.training_loss import DirectionLoss
from scumble.methods.asyrp.trajectory import SourceTrajectory, TrainStep, origin_of
from scumble.methods.drag.bottleneck import Bottleneck
from scumble.models.base import Model
from scumble.models.clip import to_square
from scumble.models.loading import load
from scumble.records.metadata import read_metadata
from tests.support.blended import pixel_job, random_clip, tiny_ddpm

BETAS = {"_class_name": "DDPMScheduler", "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
NOTHING = Conditioning()
ALONE = Guidance(NOTHING, NOTHING, 1.0)


@pytest.mark.parametrize("name", ["plain", "asym", "boost", "last", "learned", "dt", "inversion"])
def test_the_published_step_is_reproduced(reference: Any, name: str) -> None:
    case = reference("asyrp_steps")
    settings, schedule = case.settings["cases"][name], Schedule.from_config(BETAS)
    here = schedule.at(settings["t"])
    there = CLEAN if settings["t_next"] < 0 else schedule.at(settings["t_next"])
    eps = Prediction.from_output("epsilon", case["out"], case["x"], here).eps
    shifted = Prediction.from_output("epsilon", case["out_modified"], case["x"], here)
    split = "index" in settings  # the stub returned the shifted output whatever t_edit was
    x0 = shifted.x0 if split else Prediction.from_eps(eps, case["x"], here).x0
    direction = eps * settings.get("dt_lambda", 1.0)  # a later method's factor, on the direction alone
    visit = Evaluation(0, here, case["x"], Prediction(x0, direction))
    mean, std = BoostedDdim(t_boost=1000.0 if settings.get("eta") else 0.0).step([visit], there)
    made = mean + std * case[f"{name}_noise"] if f"{name}_noise" in case.tensors else mean
    for ours, theirs in ((x0, case[f"{name}_x0"]), (made, case[f"{name}_next"])):
        assert float((ours - theirs).abs().max()) <= 1e-5 * float(theirs.abs().max())


def test_the_published_block_is_reproduced(reference: Any) -> None:
    case = reference("asyrp_delta_block")
    block = DeltaBlock(32, 64)
    names = {"w_" + key.replace(".", "_"): key for key in block.state_dict()}
    block.load_state_dict({key: case[name] for name, key in names.items()})
    with torch.no_grad():
        torch.testing.assert_close(block(case["h"], case["temb"]), case["delta_h"], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(block(case["h"], None), case["delta_h_no_temb"], rtol=1e-5, atol=1e-5)


def test_the_published_inversion_and_reverse_process_are_reproduced(reference: Any) -> None:
    case = reference("asyrp_loop")
    settings, model = case.settings, tiny_ddpm()
    batch = replace(pixel_job(model), image=case["x0"])
    levels = spread_levels(batch.model.schedule, settings["n_inv"])
    assert [int(level.t) for level in levels[-2::-1]] == case["sequence"].tolist()
    with torch.no_grad():
        path = current_level_path(batch.context(levels, Ddim()), case["x0"], ALONE)
    torch.testing.assert_close(path[-2], case["inversion_first"], rtol=0, atol=5e-3)
    torch.testing.assert_close(path[0], case["x_T"], rtol=0, atol=5e-3)

    left = [*case["noise"].unsqueeze(1)]

    class Draws:
        def normal(self, shape: Any, stream: str, step: int = 0) -> Tensor:
            return left.pop(0)

        def select(self, start: int, stop: int) -> Draws:
            return self

    batch = replace(batch, noise=Draws())
    results: list[StepResult] = []
    acting = AsymmetricStep(lambda h, temb, t: settings["c"] * case["delta_h"], settings["t_edit"], ALONE)
    ctx = batch.context(levels, BoostedDdim(settings["t_boost"]))
    with torch.no_grad():
        denoise(ctx, [StartAt(path[0], 0), ALONE, acting], lambda _, result: results.append(result))
    torch.testing.assert_close(results[0].prediction.x0, case["P_0"], rtol=0, atol=5e-3)
    for k in (0, 5, 9, 10):
        torch.testing.assert_close(results[k].x, case[f"x_{k}"], rtol=0, atol=5e-3)
    assert len(left) == 1  # the published code draws for the last step too, and adds 0 times it


def test_the_method_reproduces_the_published_loop(reference: Any, tmp_path: Path) -> None:
    case = reference("asyrp_loop")
    settings = case.settings
    about = DirectionInfo(t_edit=settings["t_edit"], t_boost=settings["t_boost"], steps=settings["n_test"])
    path = Direction(about, None, {-1: case["delta_h"]}).save(tmp_path / "d.safetensors")

    class Draws:
        def normal(self, shape: Any, stream: str, step: int = 0) -> Tensor:
            return case["noise"][step - 9].unsqueeze(0)

        def select(self, start: int, stop: int) -> Draws:
            return self

    batch = replace(pixel_job(tiny_ddpm()), image=case["x0"], noise=Draws())
    method = Asyrp(
        directions=(str(path),), strengths=(settings["c"],), num_inference_steps=settings["n_test"], compat="official"
    )
    made = method.run(batch)
    torch.testing.assert_close(made, case["x_10"], rtol=0, atol=5e-3)


def context(model: Model, steps: int = 4, solver: Any = None, shape: Any = (1, 4, 8, 8)) -> RunState:
    levels = model.schedule.levels(steps)
    return RunState(model, levels, solver or Ddim(), CounterNoise(range(shape[0])), shape, torch.device("cpu"), Cost())


def words(model: Model) -> Guidance:
    return Guidance(model.embed(["a cat"]), model.embed([""]), 3.0)


def run(model: Model, shift: Any, t_edit: float = 500, extra: Any = (), solver: Any = None) -> tuple[Tensor, RunState]:
    ctx, guidance = context(model, solver=solver), words(model)
    with torch.no_grad():
        return denoise(ctx, [*extra, guidance, AsymmetricStep(shift, t_edit, guidance)]), ctx


def test_without_a_shift_it_is_the_plain_step(tiny_sd: Model) -> None:
    plain = denoise(context(tiny_sd), [words(tiny_sd)]).detach()
    late, ctx = run(tiny_sd, lambda h, temb, t: 1e3 * torch.ones_like(h), t_edit=1001)
    assert torch.equal(late, plain)
    assert ctx.cost.forward_rows == 2 * 4
    zero, ctx = run(tiny_sd, lambda h, temb, t: torch.zeros_like(h), t_edit=0)
    torch.testing.assert_close(zero, plain, rtol=0, atol=1e-4)
    assert ctx.cost.forward_rows == 4 * 4


def test_twins_are_evaluated_only_where_the_shift_acts(tiny_sd: Model) -> None:
    _, ctx = run(tiny_sd, lambda h, temb, t: torch.ones_like(h), t_edit=500)
    assert ctx.cost.forward_rows == 2 * 4 + 2 * 2


def test_the_shift_is_split_as_theory_says() -> None:
    """x' - x'_ddim = -(a'/a) s (eps~ - eps): the change is not cancelled by the direction's half."""
    model = tiny_ddpm()
    ctx = context(model, 10, shape=(1, 3, 32, 32))
    start = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    xs: list[Tensor] = []
    seen: list[dict[str, Prediction]] = []

    class Keep(AsymmetricStep):
        def predict(self, ctx: RunState, rows: Any, prediction: Any) -> Any:
            seen.append(dict(rows))
            return super().predict(ctx, rows, prediction)

    def stop(ctx: RunState, result: StepResult) -> bool:
        xs.append(result.x)
        return False

    keep = Keep(lambda h, temb, t: 0.5 * torch.ones_like(h), 0, ALONE)
    for controls in ([StartAt(start, 3), ALONE], [StartAt(start, 3), ALONE, keep]):
        with pytest.raises(Stopped), torch.no_grad():
            denoise(ctx, controls, stop)
    here, there = ctx.levels[3], ctx.levels[4]
    apart = seen[0]["cond/shifted"].eps - seen[0]["cond"].eps
    torch.testing.assert_close(xs[1] - xs[0], -there.a / here.a * here.s * apart, rtol=1e-4, atol=1e-5)


def test_the_bottleneck_changes_linearly_with_strength() -> None:
    about = DirectionInfo(steps=10)
    one, two = (Direction(about, None, {-1: torch.randn(1, 5, 2, 2)}) for _ in range(2))
    h = torch.randn(3, 5, 2, 2)
    single = joint_shift([one], [1.0], h, None, 500, 10)
    torch.testing.assert_close(joint_shift([one], [-2.5], h, None, 500, 10), -2.5 * single)
    torch.testing.assert_close(joint_shift([one], [1.0], h, None, 500, 40), single / 4)
    both = joint_shift([one, two], [1.0, 1.0], h, None, 500, 10)
    torch.testing.assert_close(both, (single + joint_shift([two], [1.0], h, None, 500, 10)) / 2**0.5)


def test_a_replaced_bottleneck_is_shifted_as_it_was_left(tiny_sd: Model) -> None:
    """Order of guidance_places section 5: replace, then add."""
    ctx, guidance = context(tiny_sd), words(tiny_sd)
    seen: list[Tensor] = []
    h = torch.full((1, 40, 1, 1), 0.3)

    def shift(base: Tensor, temb: Tensor | None, t: float) -> Tensor:
        seen.append(base)
        return torch.zeros_like(base)

    with torch.no_grad():
        denoise(ctx, [Bottleneck(h, until=4), guidance, AsymmetricStep(shift, 0, guidance)])
    for base in seen:
        torch.testing.assert_close(base, h.expand_as(base))


def test_noise_is_boosted_near_the_end_only(tiny_sd: Model) -> None:
    ctx = context(tiny_sd)
    solver = BoostedDdim(t_boost=300)
    visits = [Evaluation(i, ctx.levels[i], torch.zeros(1), Prediction(torch.ones(1), torch.ones(1))) for i in range(4)]
    stds = [solver.step([v], ctx.levels[v.index + 1])[1] for v in visits]
    assert [std > 0 for std in stds] == [level.t < 300 for level in ctx.levels[:4]]


def test_other_solvers_are_refused(tiny_sd: Model) -> None:
    with pytest.raises(MethodError, match="ddim"):
        run(tiny_sd, lambda h, temb, t: h, solver=DpmSolverPP2M(4))


def test_the_interval_follows_the_papers_rule() -> None:
    table = {t: t / 1000 for t in range(0, 1000, 10)}
    assert smallest_time(table, 0.33) == 330
    assert smallest_time(table, 0.5 * 0.33) < smallest_time(table, 0.9 * 0.33)
    assert smallest_time({0: 0.1, 100: 1.0, 200: 1.25, 300: 1.3}, 1.2) == 200
    assert smallest_time({0: 0.1, 100: 1.0}, 1.2) == 100


def test_directions_survive_their_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    about = DirectionInfo("a cube", "a sphere", 400, 100, 20, "m", "0" * 64)
    direction = Direction(about, DeltaBlock(24, 64))
    again = Direction.load(direction.save(tmp_path / "d.safetensors"))
    h, temb = torch.randn(2, 24, 4, 4), torch.randn(1, 64)
    with torch.no_grad():
        assert torch.equal(direction(h, temb, 500), again(h, temb, 500))
    assert again.about == about
    half = direction.save(tmp_path / "half.safetensors", torch.float16)
    assert half.stat().st_size < 0.6 * (tmp_path / "d.safetensors").stat().st_size
    with torch.no_grad():
        torch.testing.assert_close(Direction.load(half)(h, temb, 500), direction(h, temb, 500), rtol=0, atol=5e-3)
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for bad in ("broken.safetensors", "none.safetensors"):
        with pytest.raises(CheckpointError, match=bad):
            Direction.load(tmp_path / bad)


def loss_of(clip: Any) -> DirectionLoss:
    words = torch.nn.functional.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(8)), dim=-1)
    return DirectionLoss(lambda p: clip.encode(to_square(p, clip.size)), words, near=0.1, kind="log")


def test_training_touches_the_block_alone_and_lowers_the_loss() -> None:
    model, loss, about = tiny_ddpm(), loss_of(random_clip()), DirectionInfo(t_edit=600, steps=6)
    ctx = context(model, 6, shape=(1, 3, 32, 32))
    x, picture = (torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(k)).clamp(-1, 1) for k in (1, 2))
    before = {name: p.clone() for name, p in model.denoiser.state_dict().items()}
    origin = origin_of(ctx, model, NOTHING, x, picture, 600, loss)
    told = [s for s, _ in train(ctx, model, NOTHING, [origin], loss, about, epochs=12, rate=0.02, optimizer="adam")]
    per_epoch = [sum(s.loss for s in told if s.epoch == e) for e in (1, 12)]
    assert per_epoch[1] < per_epoch[0]
    assert all(torch.equal(p, before[name]) for name, p in model.denoiser.state_dict().items())
    assert all(p.grad is None for p in model.denoiser.parameters())
    again = [s for s, _ in train(ctx, model, NOTHING, [origin], loss, about, epochs=1, rate=0.02, optimizer="adam")]
    assert [s.loss for s in again] == [s.loss for s in told[: len(again)]]


def test_a_direction_is_trained_from_a_folder_and_edits_a_picture(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path
) -> None:
    picture.resize((32, 32)).save(tmp_path / "a.png")
    model, clip = tiny_ddpm(), random_clip()
    clip.text = torch.eye(2, 16)
    lines: list[str] = []
    about = DirectionInfo("a cube", "a sphere", -1, -1, 4)
    made = train_direction(model, clip, [tmp_path / "a.png"], about, epochs=1, say=lines.append)
    assert 0 <= made.about.t_boost <= made.about.t_edit < 1000
    assert any("s a step" in line for line in lines)
    path = made.save(tmp_path / "direction.safetensors")
    editor = Editor(model)
    small = picture.resize((32, 32))
    kind: dict[str, Any] = {"directions": (str(path),), "num_inference_steps": 4, "t_edit": 0, "t_boost": 0}
    weak, strong = (editor.edit(small, Asyrp(**kind, strengths=(s,)), seed=1) for s in (0.0, 30.0))
    assert weak.image.tobytes() != strong.image.tobytes()
    as_trained = editor.edit(small, Asyrp(**{**kind, "num_inference_steps": None}, strengths=(30.0,)), seed=1)
    assert as_trained.image.tobytes() == strong.image.tobytes()
    strong.save(tmp_path / "strong.png")
    assert read_metadata(tmp_path / "strong.png")["parameters"]["directions"] == ["direction.safetensors"]
    with pytest.raises(InputError, match="made with the model"):
        tiny_editor.edit(picture, Asyrp(**kind), seed=1)
    with pytest.raises(InputError, match="one for each"):
        editor.edit(small, Asyrp(**{**kind, "strengths": (1.0, 2.0, 3.0)}), seed=1)
    with pytest.raises(InputError, match="no direction"):
        editor.edit(small, Asyrp(), seed=1)


def test_a_row_without_a_graph_and_one_with_it_get_the_same_bottleneck(tiny_sd: Model) -> None:
    """Where an energy evaluates the conditional row apart, its twin is shifted from its own, equal bottleneck."""
    seen: list[Tensor] = []

    class Graph(AsymmetricStep):
        def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
            made = super().branches(ctx, rows)
            return [replace(row, grad=row.name == "cond") for row in made]

    def shift(h: Tensor, temb: Tensor | None, t: float) -> Tensor:
        seen.append(h.detach())
        return torch.zeros_like(h)

    ctx, guidance = context(tiny_sd), words(tiny_sd)
    with torch.no_grad():
        apart = denoise(ctx, [guidance, Graph(shift, 0, guidance)])
        together, _ = run(tiny_sd, lambda h, temb, t: torch.zeros_like(h), t_edit=0)
    torch.testing.assert_close(apart, together, rtol=0, atol=1e-4)


def test_a_model_teaches_the_change_that_it_makes_of_two_texts(tiny_sd: Model) -> None:
    texts = [tiny_sd.embed([text]) for text in ("a red cube", "a blue cube")]
    loss, about = DistillationLoss([texts[0]], [texts[1]], 2.0), DirectionInfo(t_edit=600, steps=5)
    ctx, cond = context(tiny_sd, 5), tiny_sd.embed([""])
    x = torch.randn(1, *ctx.shape[1:], generator=torch.Generator().manual_seed(1))
    plain, source, target = (ctx.evaluate(x, ctx.levels[0], c) for c in (cond, *texts))
    at = TrainStep(ctx, tiny_sd, ctx.levels[0], x, plain, SourceTrajectory(x), 0)
    wished = Prediction.from_eps(plain.eps + 2.0 * (target.eps - source.eps), x, ctx.levels[0])
    assert float(loss.at(at, wished)) < 1e-10 < float(loss.at(at, plain))
    steps = [
        step for step, _ in train(ctx, tiny_sd, cond, [SourceTrajectory(x)], loss, about, epochs=1, optimizer="adam")
    ]
    assert len(steps) == sum(level.t >= 600 for level in ctx.levels)
    assert all(step.loss > 0 for step in steps)
    with pytest.raises(MethodError, match="takes no text"):
        teach_direction(tiny_ddpm(), [], about)


def test_each_step_of_the_run_is_taught_in_all_sentence_frames(tiny_sd: Model) -> None:
    seen: dict[int, set[int]] = {}

    class Watch:
        def at(self, at: TrainStep, shifted: Prediction) -> Tensor:
            seen.setdefault(at.k, set()).add(at.turn % 3)
            return shifted.eps.square().mean()

    ctx, cond = context(tiny_sd, 5), tiny_sd.embed([""])
    origins = [SourceTrajectory(torch.randn(1, *ctx.shape[1:])) for _ in range(3)]
    assert list(
        train(ctx, tiny_sd, cond, origins, Watch(), DirectionInfo(t_edit=600, steps=5), epochs=1, optimizer="adam")
    )
    assert len(seen) > 1 and all(frames == {0, 1, 2} for frames in seen.values())


def test_directions_of_the_package_are_found_by_name(tmp_path: Path) -> None:
    Direction(DirectionInfo("by day", "at night"), DeltaBlock(8, None)).save(tmp_path / "night.safetensors")
    assert load_direction("night", tmp_path).about.target == "at night"
    assert load_direction(str(tmp_path / "night.safetensors"), tmp_path).about.target == "at night"
    with pytest.raises(InputError, match=r"did you mean.*night"):
        load_direction("nigth", tmp_path)


@pytest.mark.parametrize("name", list(bundled_directions()))
def test_shipped_directions_fit_the_bundled_model(name: str) -> None:
    direction = load_direction(name)
    assert direction.about.target and direction.block is not None
    direction.fits(load(), name)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": torch.zeros(1)},
        {"mean.x": torch.zeros(1, 4, 2, 2)},
        {"mean.-1": torch.zeros(4, 2)},
        {"mean.-1": torch.full((1, 4, 2, 2), float("nan"))},
        {"block.conv1.weight": torch.zeros(())},
        {"block.conv1.weight": torch.zeros(4, 4)},
    ],
)
def test_a_direction_of_wrong_shapes_is_refused_in_one_line(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    good = Direction(means={-1: torch.zeros(1, 4, 2, 2)}).save(tmp_path / "good.safetensors")
    with safe_open(good, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, tmp_path / "bad.safetensors", metadata=metadata)
    with pytest.raises(CheckpointError) as refused:
        Direction.load(tmp_path / "bad.safetensors")
    assert "\n" not in str(refused.value)
    assert -1 in Direction.load(good).means
