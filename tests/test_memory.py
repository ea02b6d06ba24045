"""Memory is measured wherever Python runs."""

from __future__ import annotations

import subprocess
import sys

import torch

from scumble import memory

CPU = torch.device("cpu")

WITHOUT_RESOURCE = """
import sys
import psutil  # its part for Linux needs the module, its part for Windows does not
sys.modules["resource"] = None  # as on Windows: importing it raises ImportError
import torch
import scumble.editing.editor
from scumble.inversion.chunks import Chunks
from scumble.memory import PeakMemory
with PeakMemory("cpu") as measured:
    chunks = Chunks(torch.device("cpu"))
    with chunks.measured() as size:
        torch.zeros(8).sum()
assert size == 1 and chunks.size >= 1 and measured.peak >= 0
"""


def test_the_editor_is_imported_and_memory_measured_where_python_has_no_resource_module() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_RESOURCE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_peak_is_at_least_what_is_in_use() -> None:
    assert 0 < memory.in_use(CPU) <= memory.peak(CPU) * 1.01  # the kernel counts pages in batches
    assert memory.free(CPU) > 0


def test_an_allocation_is_seen() -> None:
    with memory.PeakMemory(CPU) as measured:
        block = torch.ones(memory.peak(CPU) // 4 + 2**28)
    assert measured.peak >= 2**28, block.shape
