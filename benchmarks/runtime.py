"""PyTorch, OpenVINO and diffusers on one processor in one run: network rows, whole edits, bytes that differ, memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image

from scumble.editing.editor import Editor
from scumble.memory import in_use
from scumble.methods.img2img.sdedit import SDEdit

PROMPT = "a large red cube on sand by day"
ROWS = (1, 2, 8)
REPEATS = 5


def main() -> None:
    print(f"processor: {', '.join(flags()) or 'no vector extensions of note'}; {torch.get_num_threads()} threads")
    editors: dict[str, Editor] = {"torch float32": Editor.from_pretrained(device="cpu")}
    if find_spec("openvino"):
        for precision in ("float32", "bfloat16"):
            before = in_use(torch.device("cpu"))
            editors[f"openvino {precision}"] = warmed(
                Editor.from_pretrained(device="cpu", dtype=precision, runtime="openvino")
            )
            more = (in_use(torch.device("cpu")) - before) / 2**20
            print(f"openvino {precision}: {more:.0f} MB more in use, torch's weights included")
    else:
        print("openvino is not installed: pip install 'scumble[openvino]'")
    network_rows(editors)
    for steps, solver in ((50, "ddim"), (8, "dpmpp_2m")):
        whole_edits(editors, steps, solver)


def flags() -> list[str]:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            known = file.read().split("flags", 1)[1].splitlines()[0].split()
    except (OSError, IndexError):
        return []
    return [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in known]


def warmed(editor: Editor) -> Editor:
    edit(editor, 2, "ddim")
    return editor


def edit(editor: Editor, steps: int, solver: str) -> np.ndarray[Any, Any]:
    image = Image.fromarray(np.full((64, 64, 3), 128, np.uint8))
    method = SDEdit(prompt=PROMPT, strength=1.0, num_inference_steps=steps, solver=solver)  # type: ignore[arg-type]
    return np.asarray(editor.edit(image, method, seed=1).image).astype(int)


def interleaved(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each, taken turn about, so that whatever else runs slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(REPEATS):
        for name, one in work.items():
            started = time.perf_counter()
            one()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def network_rows(editors: dict[str, Editor]) -> None:
    for rows in ROWS:
        work: dict[str, Callable[[], object]] = {}
        for name, editor in editors.items():
            model = editor.model
            x = torch.randn(rows, model.channels, 16, 16)
            cond, level = model.embed([PROMPT]).expand(rows), model.schedule.at(500)
            work[name] = predicting(model, x, level, cond)
        say(f"{rows} rows of the network", interleaved(work))


def predicting(model: Any, x: torch.Tensor, level: Any, cond: Any) -> Callable[[], object]:
    def predict() -> object:
        with torch.no_grad():
            return model.predict(x, level, cond)

    return predict


def whole_edits(editors: dict[str, Editor], steps: int, solver: str) -> None:
    work: dict[str, Callable[[], object]] = {
        name: (lambda editor=editor: edit(editor, steps, solver))
        for name, editor in editors.items()  # type: ignore[misc]
    }
    if solver == "ddim":
        work["diffusers img2img"] = diffusers_img2img(editors["torch float32"], steps)
    say(f"an edit of {steps} steps of {solver}", interleaved(work))
    expected = edit(editors["torch float32"], steps, solver)
    for name, editor in editors.items():
        difference = np.abs(edit(editor, steps, solver) - expected)
        share = float((difference > 0).mean())
        print(f"  {name}: {100 * share:.3f} % of bytes differ from torch float32, by at most {difference.max()} of 255")


def diffusers_img2img(editor: Editor, steps: int) -> Callable[[], object]:
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    from scumble.models.loading import BUNDLED

    model: Any = editor.model
    assert model.name == BUNDLED[0]
    encoder = model.text.encoders[0]
    pipe = StableDiffusionImg2ImgPipeline(
        vae=model.vae, text_encoder=encoder.network, tokenizer=encoder.tokenizer, unet=model.denoiser,
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    image = Image.fromarray(np.full((64, 64, 3), 128, np.uint8))
    return lambda: pipe(PROMPT, image=image, strength=1.0, guidance_scale=5.0, num_inference_steps=steps)


def say(what: str, seconds: dict[str, float]) -> None:
    base = seconds["torch float32"]
    for name, time_taken in seconds.items():
        print(f"{what}: {name} {1000 * time_taken:.1f} ms, {base / time_taken:.2f} times as fast as torch float32")


if __name__ == "__main__":
    main()
