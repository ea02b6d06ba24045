"""Every command and every line of Python on every page runs; what cannot run says why, and there is little of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import scumble.methods.asyrp.bundled
import scumble.models.loading
from scumble.methods.asyrp.direction import Direction
from tests.docs.pages import COMMAND, READS, RUNS, blocks, pages, run_page
from tests.docs.stand_ins import loras, photographs
from tests.support.all_methods import write_direction
from tests.support.tiny_bundled import NAMES, loads_tiny, tiny_bundled

MOST_NOT_RUN = 5
ELSEWHERE = ("README.md", "add-a-method.md", "write-your-own-energy.md")
"""Pages whose blocks have a test of their own, which looks closer or uses the bundled weights."""
PAGES = [page for page in pages() if page.name not in ELSEWHERE]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bundled models and directions with tiny random networks in their place; the folder of the first."""
    folder = tmp_path_factory.mktemp("bundled")
    load = loads_tiny(tiny_bundled(folder))
    direction = write_direction(folder, load(NAMES[0], torch.device("cpu"), torch.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scumble.models.loading, "_bundled", load)
        patch.setattr(scumble.methods.asyrp.bundled, "load_direction", lambda name: Direction.load(direction))
        yield folder / NAMES[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_the_page_runs(page: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path)
    loras(tmp_path, tiny)
    assert run_page(page, tiny) == sum(one.language in RUNS and not one.reason for one in blocks(page))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_command_stands_in_a_block_that_is_run(page: Path) -> None:
    for block in blocks(page):
        if block.language in RUNS or block.reason:
            continue
        assert block.language in READS, (page.name, block.language)
        assert not COMMAND.search(block.code), f"{page.name}: mark it bash, or say why it is not run: {block.code}"


def test_few_blocks_cannot_run_and_each_says_why() -> None:
    marked = [block.reason for page in pages() for block in blocks(page) if block.reason]
    assert all(len(reason.split()) >= 3 for reason in marked if reason), marked
    assert len(marked) <= MOST_NOT_RUN, marked
