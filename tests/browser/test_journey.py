"""The way of a stranger: open, paint, say, edit, watch, compare, keep, and the same without the page."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.browser.conftest import STEPS, Server, Studio


def run(words: list[str]) -> str:
    """Run a command line of scumble."""
    code = [sys.executable, "-c", "from scumble.cli import main; main()", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(code, capture_output=True, text=True, check=True, env=environment).stdout


def painted(studio: Studio, words: str = "a red cube on sand") -> Studio:
    studio.stroke((120, 150), (170, 200), (200, 150)).words(words)
    return studio.number("Steps", str(STEPS)).settle()


def test_paint_say_edit_compare_and_the_command_line_makes_the_same_bytes(
    studio: Studio, server: Server, still_life: Path, tmp_path: Path
) -> None:
    painted(studio).edit()
    result = studio.result()
    made = server.folder / result["file"]
    assert studio.page.get_by_test_id("proof").inner_text().startswith("0 of ")

    before = np.asarray(Image.open(still_life).convert("RGB"), int)
    after = np.asarray(Image.open(made).convert("RGB"), int)
    kept = studio.map_bytes() == 0
    assert result["proof"]["protected"] == int(kept.sum())
    assert result["proof"]["changed"] == int((np.abs(before - after).max(2)[kept] > 0).sum()) == 0
    assert (before != after).any()

    words = shlex.split(result["command"])
    again = tmp_path / "again.png"
    words[-1] = str(again)
    assert words[0] == "scumble"
    run(words[1:])
    assert again.read_bytes() == made.read_bytes()


def test_redo_in_a_terminal_finds_no_difference(studio: Studio, server: Server) -> None:
    painted(studio, "a blue ball on sand").edit()
    made = str(server.folder / studio.result()["file"])
    assert json.loads(run(["info", made, "--json"]))["parameters"]["prompt"] == "a blue ball on sand"
    assert json.loads(run(["redo", made, "--json"]))["largest"] == 0  # picture and map are found by their hashes


def test_the_result_becomes_the_next_source_and_the_chain_goes_back(studio: Studio, server: Server) -> None:
    first = studio.js("studio.doc.picture.value.id")
    painted(studio).edit()
    result = studio.result()
    studio.page.get_by_role("button", name="Keep and go on").click()
    studio.until(f"studio.doc.picture.value.id !== '{first}'")
    studio.wait(state="painting", settled="yes")
    assert studio.js("studio.doc.picture.value.name") == result["file"]
    assert studio.js("studio.doc.chain.value.map(link => link.picture)")[0] == first
    studio.page.get_by_role("button", name="The first picture").click()
    studio.until(f"studio.doc.picture.value.id === '{first}'")


def test_watching_shows_steps_and_a_preview_before_the_result(studio: Studio) -> None:
    painted(studio).number("Steps", "40").settle().edit()
    studio.until("[...studio.server.jobs.value.values()].some(job => job.preview > 0 && job.step > 0)")
    studio.wait(state="running")
    assert studio.page.get_by_role("progressbar").count() == 1
    result = studio.result()
    assert result["proof"]["changed"] == 0
