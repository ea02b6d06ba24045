"""Runtimes and diffusers in one run: network rows, whole edits at 64 and 512 px, strokes, bytes that differ, memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks._half_width import SCHEDULE, half_width_pipe
from scumble.editing.editor import Editor
from scumble.editing.session import Session
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.models.runtime.choose import attach

PROMPT = "a large red cube on sand by day"
ROWS = (1, 2, 8)
REPEATS = 5
LARGE_STEPS = 4
"""At 512 px, where a step takes seconds."""
BASE = "torch float32"

Work = dict[str, Callable[[], object]]


def variants() -> dict[str, dict[str, str]]:
    """What is compared: settings of ``Editor.from_pretrained`` by name."""
    chosen: dict[str, dict[str, str]] = {BASE: {}}
    if find_spec("openvino"):
        chosen |= {f"openvino {dtype}": {"runtime": "openvino", "dtype": dtype} for dtype in ("float32", "bfloat16")}
    return chosen | {"compiled float32": {"runtime": "compile"}}


def main() -> None:
    print(f"processor: {', '.join(flags()) or 'no vector extensions of note'}; {torch.get_num_threads()} threads")
    if not find_spec("openvino"):
        print("openvino is not installed: pip install 'scumble[openvino]'")
    print("optimum-intel is not measured: its releases with OVStableDiffusionImg2ImgPipeline need transformers below 5")
    editors = {name: warmed(Editor.from_pretrained(device="cpu", **asked)) for name, asked in variants().items()}
    network_rows(editors)
    for steps, solver in ((50, "ddim"), (8, "dpmpp_2m")):
        whole_edits(editors, steps, solver)
    strokes("8 steps", editors, num_inference_steps=8, solver="dpmpp_2m")
    fast = {
        name: Editor.from_pretrained("still-life-fast", device="cpu", **asked)
        for name, asked in variants().items()
        if name != "compiled float32"
    }
    strokes("4 steps of still-life-fast", fast)
    large_edits()
    memory()


def flags() -> list[str]:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            known = file.read().split("flags", 1)[1].splitlines()[0].split()
    except (OSError, IndexError):
        return []
    return [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in known]


def warmed(editor: Editor) -> Editor:
    edit(editor, 2, "ddim")
    return editor


def edit(editor: Editor, steps: int, solver: str, side: int = 64) -> np.ndarray[Any, Any]:
    image = Image.fromarray(np.full((side, side, 3), 128, np.uint8))
    method = SDEdit(prompt=PROMPT, strength=1.0, num_inference_steps=steps, solver=solver)  # type: ignore[arg-type]
    return np.asarray(editor.edit(image, method, seed=1).image).astype(int)


def interleaved(work: Work, repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of each, taken turn about, so that whatever else runs slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, one in work.items():
            started = time.perf_counter()
            one()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def network_rows(editors: Mapping[str, Editor]) -> None:
    for rows in ROWS:
        work: Work = {}
        for name, editor in editors.items():
            model = editor.model
            x = torch.randn(rows, model.channels, 16, 16)
            cond, level = model.embed([PROMPT]).expand(rows), model.schedule.at(500)
            work[name] = predicting(model, x, level, cond)
            work[name]()
        say(f"{rows} rows of the network", interleaved(work))


def predicting(model: Any, x: torch.Tensor, level: Any, cond: Any) -> Callable[[], object]:
    def predict() -> object:
        with torch.no_grad():
            return model.predict(x, level, cond)

    return predict


def editing(editor: Editor, steps: int, solver: str, side: int = 64) -> Callable[[], object]:
    return lambda: edit(editor, steps, solver, side)


def whole_edits(editors: Mapping[str, Editor], steps: int, solver: str) -> None:
    work = {name: editing(editor, steps, solver) for name, editor in editors.items()}
    if solver == "ddim":
        work["diffusers img2img"] = diffusers_img2img(editors[BASE].model, steps)
    say(f"an edit of {steps} steps of {solver}", interleaved(work))
    expected = edit(editors[BASE], steps, solver)
    for name, editor in editors.items():
        difference = np.abs(edit(editor, steps, solver) - expected)
        share = float((difference > 0).mean())
        print(f"  {name}: {100 * share:.3f} % of bytes differ from {BASE}, by at most {difference.max()} of 255")


def strokes(what: str, editors: Mapping[str, Editor], **fields: Any) -> None:
    """A stroke of a live session: image, prompt, window and network are kept, the map is new."""
    method = DifferentialDiffusion(prompt=PROMPT, **fields)
    image = Image.fromarray(np.full((64, 64, 3), 128, np.uint8))
    sessions = {name: Session(editor, image, method) for name, editor in editors.items()}
    work: Work = {name: stroking(session) for name, session in sessions.items()}
    for one in work.values():
        one()
    say(f"a stroke, {what}", interleaved(work, 2 * REPEATS))


def stroking(session: Session) -> Callable[[], object]:
    change = np.zeros((64, 64), np.float32)

    def stroke() -> object:
        row = int(change.sum()) // 24 % 60
        change[row : row + 4, 20:44] = 1
        return session.edit(change_map=change.copy())

    return stroke


def large_edits() -> None:
    """Whole edits at 512 px with the structure of Stable Diffusion 1.5 at half its width, random weights."""
    pipe = half_width_pipe()
    editors: dict[str, Editor] = {}
    for name, asked in variants().items():
        if name != "compiled float32":  # minutes of compilation, for nothing on a processor
            editors[name] = Editor.from_pipe(pipe)
            attach(editors[name].model, asked.get("runtime", "torch"), asked.get("dtype", "float32"))  # type: ignore[arg-type]
    for name, editor in editors.items():
        if name != BASE:
            edit(editor, 1, "ddim", 512)  # converts and compiles
    work = {name: editing(editor, LARGE_STEPS, "ddim", 512) for name, editor in editors.items()}
    work["diffusers img2img"] = diffusers_img2img(editors[BASE].model, LARGE_STEPS, 512)
    say(f"an edit of {LARGE_STEPS} steps at 512 px", interleaved(work, 1))


def diffusers_img2img(model: Any, steps: int, side: int = 64) -> Callable[[], object]:
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    encoder = model.text.encoders[0]
    pipe = StableDiffusionImg2ImgPipeline(
        vae=model.vae, text_encoder=encoder.network, tokenizer=encoder.tokenizer, unet=model.denoiser,
        scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    image = Image.fromarray(np.full((side, side, 3), 128, np.uint8))
    return lambda: pipe(PROMPT, image=image, strength=1.0, guidance_scale=5.0, num_inference_steps=steps)


def say(what: str, seconds: dict[str, float]) -> None:
    base = seconds[BASE]
    for name, time_taken in seconds.items():
        print(f"{what}: {name} {1000 * time_taken:.1f} ms, {base / time_taken:.2f} times as fast as {BASE}", flush=True)


def memory() -> None:
    """Highest memory of a process that makes one edit, by runtime and size of model: each in a process of its own."""
    for size in ("64", "512"):
        for name in variants():
            if name != "compiled float32":
                code = f"from benchmarks.runtime import one_edit; one_edit({name!r}, {size})"
                done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
                print(f"highest memory of an edit at {size} px: {name} {int(done.stdout.split()[-1]) / 2**20:.0f} MB")


def one_edit(name: str, side: int) -> None:
    """Make one edit and print the highest memory of the process, conversions read from the cache."""
    asked = variants()[name]
    if side == 64:
        editor = Editor.from_pretrained(device="cpu", **asked)
    else:
        editor = Editor.from_pipe(half_width_pipe())
        attach(editor.model, asked.get("runtime", "torch"), asked.get("dtype", "float32"))  # type: ignore[arg-type]
    edit(editor, 1 if side == 512 else 2, "ddim", side)
    print(highest())


def highest() -> int:
    """Highest memory of this process alone, in bytes; what ``resource`` says counts from the process that began it."""
    with open("/proc/self/status") as file:  # noqa: PTH123
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024


if __name__ == "__main__":
    main()
