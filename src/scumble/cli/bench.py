"""``scumble bench``: edits with known truth, every method side by side, one report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from scumble.errors import InputError

if TYPE_CHECKING:
    from scumble_lab.bench.folder import Benchmark

__all__ = ["app"]

app = App(name="bench", help="Evaluate methods on edits whose true result is known, and report.")

DEFAULT = Path("out/bench")


@app.command
def make(
    folder: Path = DEFAULT,
    *,
    tasks: str = "all",
    count: int = 24,
    seed: int = 0,
    size: int = 64,
    words: str = "",
    veil: str = "",
) -> None:
    """Write a benchmark as a plain folder of PNG and JSON files.

    Put results of other software into FOLDER/results/NAME/CASE.png, and they are scored with the rest.

    Args:
        folder: Where to.
        tasks: Comma-separated: recolour, rematerial, reshape, remove, add, move, resize, floor, sky, outpaint; or all.
        count: Cases of each task.
        seed: Other cases; never those of the training.
        size: Width and height of the pictures in pixels.
        words: Only edits to these new values, comma-separated: snow,metal,red.
        veil: Something over source and truth alike that the bundled models do not know, as photographs have:
            dappled (patches of light), grain or strokes.
    """
    from scumble_lab.bench.folder import make as write
    from scumble_lab.bench.tasks import named_tasks

    benchmark = write(
        folder,
        named_tasks(tasks),
        count,
        seed,
        size,
        _counter("cases"),
        tuple(w.strip() for w in words.split(",") if w.strip()),
        veil,
    )
    print(f"{len(benchmark.cases)} cases of {len(benchmark.tasks)} tasks in {folder}")


@app.command
def run(
    folder: Path = DEFAULT,
    *,
    methods: str = "all",
    tasks: str = "all",
    count: int | None = None,
    jobs: int = 1,
    seed: int = 0,
    model: str | None = None,
    pixel_model: str | None = None,
    device: str | None = None,
    again: bool = False,
) -> None:
    """Let methods do the cases; resumes where it stopped. A folder that is not there is made.

    A case that fails is recorded and tried again next time. Folders of PIE-Bench, DragBench and
    ImageNet-R-TI2I work too.

    Args:
        folder: The benchmark.
        methods: Comma-separated names or families (trivial, words, region, drag, guidance), or all; other settings of
            some, such as ddim-inversion-guidance-2, only by name or as variants.
        tasks: Only these, or all.
        count: Only so many cases of each task: 4 for a quick look.
        jobs: Processes at once.
        seed: Seed of every edit.
        model: Bundled name, folder, file or hub id; the bundled model by default.
        pixel_model: The same for methods that work on pixels.
        device: cpu, cuda or mps.
        again: Make what is there anew.
    """
    from scumble_lab.bench.folder import make as write
    from scumble_lab.bench.formatting import counted, duration
    from scumble_lab.bench.models_in_use import Workshop
    from scumble_lab.bench.readers import open_benchmark
    from scumble_lab.bench.run import Done
    from scumble_lab.bench.run import run as work
    from scumble_lab.bench.selection import named_editors
    from scumble_lab.bench.tasks import named_tasks
    from scumble_lab.bench.timing import spent

    if jobs < 1 or (count is not None and count < 1):
        raise InputError(f"jobs and count must be at least 1, got {jobs} and {count}")
    if not folder.exists():
        write(folder, named_tasks(tasks), count or 24, on_case=_counter("cases"))
    benchmark = open_benchmark(folder)
    if tasks != "all":
        benchmark = _only(benchmark, tasks)
    finished = 0

    def on_notice(notice: str) -> None:
        print(notice, file=sys.stderr, flush=True)

    def on_result(done: Done, number: int, total: int) -> None:
        nonlocal finished
        finished = number
        outcome = f"failed: {done.error}" if done.error else f"{done.seconds:.1f} s"
        print(f"{number}/{total} {done.editor} {done.case}: {outcome}", file=sys.stderr, flush=True)

    for notice in benchmark.notices:
        on_notice(notice)
    chosen = named_editors(methods, benchmark.tasks)
    shop = Workshop(model, pixel_model, device)
    try:
        tally = work(
            benchmark, chosen, shop, seed=seed, jobs=jobs, count=count, again=again, on_result=on_result,
            on_notice=on_notice,
        )  # fmt: skip
    except KeyboardInterrupt:
        state = f"interrupted; what was made is kept, {counted(finished, 'result')} in this run"
        message = f"{state}: the same command{' without --again' if again else ''} goes on from there"
        raise KeyboardInterrupt(message) from None
    message = f"{tally.made} results made, {tally.kept} were there, {len(tally.failed)} failed"
    print(f"{message}, in {duration(tally.seconds)}; next: scumble bench report {folder}")
    if timing := spent(benchmark).text():
        print(timing)


@app.command
def report(
    folder: Path = DEFAULT,
    *,
    output: Path | None = None,
    methods: str = "all",
    clip: str = "clip-judge",
    classifier: Path | None = None,
    vit: str | None = None,
    lpips: str | None = None,
    dift: str | None = None,
    jpeg_compat: bool = False,
    pie_compat: bool = False,
    device: str = "cpu",
) -> None:
    """Score all results in a benchmark folder; write report.html (self-contained), report.md and scores.csv.

    Args:
        folder: The benchmark.
        output: Folder to write to; by default the benchmark's own.
        methods: Comma-separated names of folders under results, or all that are there.
        clip: The CLIP that judges words and structure: a bundled name, a folder or a hub id.
        classifier: Folder of another classifier of the world.
        vit: Judge structure by this vision transformer instead: a folder or a hub id such as facebook/dino-vitb8.
        lpips: Also LPIPS by this network: alex, vgg or squeeze. Needs torchvision and its weights.
        dift: Find dragged points (DragBench) by this diffusion model's features: a bundled name, folder or hub id.
        jpeg_compat: Score results after JPEG of quality 75, as PIE-Bench's published figures were made.
        pie_compat: Give the vision transformer values to 255 where it expects 1, as they were made too.
        device: Where the judges run: cpu, cuda or mps.
    """
    from scumble_lab.bench.judges import Judges
    from scumble_lab.bench.readers import open_benchmark
    from scumble_lab.bench.report import write_report

    benchmark = open_benchmark(folder)
    names = None if methods == "all" else [name.strip() for name in methods.split(",")]
    judges = Judges.load(clip, classifier, vit, lpips, dift, pie_compat, device)
    written = write_report(
        benchmark, judges, output or folder, names, jpeg_compat, lambda notice: print(notice, file=sys.stderr)
    )
    for path in written:
        print(path)


@app.command
def claims(
    folder: Path = DEFAULT,
    *,
    names: str = "all",
    count: int = 8,
    output: Path | None = None,
    scores: Path | None = None,
    model: str | None = None,
    pixel_model: str | None = None,
    device: str | None = None,
    again: bool = False,
) -> None:
    """Check what the papers claim, each as a named experiment; the verdicts go into the report.

    Args:
        folder: The benchmark to whose report they belong.
        names: Comma-separated names of experiments, or all, or list to see them.
        count: Pictures or cases for each.
        output: A report's folder: its claims.json and claims.md get each verdict at once, and keep all others.
        scores: A report's scores.csv, for experiments that read results, where the folder has its cases alone.
        model: Bundled name, folder, file or hub id; the bundled model by default.
        pixel_model: The same for methods that work on pixels.
        device: cpu, cuda or mps.
        again: Check what was checked before anew.
    """
    from scumble_lab.bench.claims import CLAIMS, check
    from scumble_lab.bench.models_in_use import Workshop
    from scumble_lab.bench.report.claims_page import read_claims, write_claims

    if names == "list":
        for name, claim in CLAIMS.items():
            print(f"{name}: {claim.statement}")
        return
    if count < 2:
        raise InputError(f"a claim needs at least 2 pictures, got {count}")
    if output is not None:
        read_claims(output)  # a damaged one is told of before the work
    shop = Workshop(model, pixel_model, device)
    for verdict in check(folder, names, count, shop, again, scores):
        print(f"{verdict.name}: {verdict.verdict}. {verdict.reason}", flush=True)
        if output is not None:
            write_claims(output, [verdict])


def _only(benchmark: Benchmark, tasks: str) -> Benchmark:
    names = {name.strip() for name in tasks.split(",")}
    unknown = names - set(benchmark.tasks)
    if unknown:
        raise InputError(f"the benchmark has no task {sorted(unknown)[0]!r}; it has {', '.join(benchmark.tasks)}")
    return replace(benchmark, cases=tuple(case for case in benchmark.cases if case.task in names))


def _counter(what: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if sys.stderr.isatty() or done == total:
            print(f"\r{done}/{total} {what}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    return tell
