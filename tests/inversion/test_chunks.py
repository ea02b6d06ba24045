"""The size of network calls: what is asked for, else a power of two that the free memory allows."""

from __future__ import annotations

import pytest
import torch

from scumble import memory
from scumble.inversion.chunks import LARGEST_CPU, Chunks

CPU = torch.device("cpu")


def size_after_the_first_call(monkeypatch: pytest.MonkeyPatch, taken: int, free: int) -> int:
    chunks = Chunks(CPU)
    for name, value in (("in_use", 1000), ("peak", 1000 + taken), ("free", free)):
        monkeypatch.setattr(memory, name, lambda device, value=value: value)
    with chunks.measured() as first:
        assert first == 1  # shows what a level takes
    with chunks.measured() as size:
        return size


@pytest.mark.parametrize(
    ("taken", "free", "size"), [(10, 10**9, LARGEST_CPU), (10, 170, 8), (10, 100, 4), (10, 25, 1), (10, 0, 1)]
)
def test_calls_fill_half_of_the_free_memory_at_most(
    monkeypatch: pytest.MonkeyPatch, taken: int, free: int, size: int
) -> None:
    assert size_after_the_first_call(monkeypatch, taken, free) == size
    assert size == 1 or size * taken <= free / 2


def test_a_given_size_is_taken() -> None:
    chunks = Chunks(CPU, 5)
    for _ in range(2):
        with chunks.measured() as size:
            assert size == 5


def test_this_machine_s_memory_is_read() -> None:
    chunks = Chunks(CPU)
    with chunks.measured():
        pass
    assert chunks.size is not None
    assert 1 <= chunks.size <= LARGEST_CPU
