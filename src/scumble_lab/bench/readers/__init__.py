"""Benchmarks of other people, read from the folders in which they are published."""

from __future__ import annotations

from pathlib import Path

from scumble.errors import InputError
from scumble_lab.bench.folder import Benchmark, open_folder

__all__ = ["open_benchmark"]


def open_benchmark(folder: Path) -> Benchmark:
    """Open a benchmark folder of any kind that is known: our own, PIE-Bench, DragBench, ImageNet-R-TI2I.

    Raises:
        InputError: if it is none of them, or lacks files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no benchmark folder {str(folder)!r}; make one with scumble bench make")
    if (folder / "benchmark.json").is_file():
        return open_folder(folder)
    if (folder / "mapping_file.json").is_file() or (folder / "mapping_file_ti2i_benchmark.json").is_file():
        from scumble_lab.bench.readers.pie_bench import open_pie_bench

        return open_pie_bench(folder)
    if [*folder.glob("*.yaml"), *folder.glob("*.yml")]:
        from scumble_lab.bench.readers.ti2i import open_ti2i

        return open_ti2i(folder)
    if any(folder.glob("*/*/meta_data.pkl")):
        from scumble_lab.bench.readers.drag_bench import open_drag_bench

        return open_drag_bench(folder)
    raise InputError(
        f"{folder.name} is no benchmark: it has neither benchmark.json, nor PIE-Bench's mapping_file.json,"
        " nor a .yaml list as ImageNet-R-TI2I, nor DragBench's category/sample/meta_data.pkl"
    )
