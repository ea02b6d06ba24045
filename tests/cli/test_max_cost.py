"""``--max-cost``: what would take more rows of the network than allowed is refused before anything runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import scumble
from scumble.cli import main
from scumble.editing.editor import Editor
from scumble.errors import InputError

MODEL = str(Path(__file__).parent.parent / "reference" / "tiny-sd")
QUICK = ("--model", MODEL, "--steps", "3", "--seed", "5")


@pytest.fixture
def folder(tmp_path: Path, picture: Image.Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    picture.save("in.png")
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, int]:
    """The rows that it would take, and those that are allowed, as the error says."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*words])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    match = re.search(r"may take (\d+) rows .* more than the (\d+) that", error)
    assert match and "nothing was made" in error, error
    return int(match[1]), int(match[2])


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> int:
    capsys.readouterr()
    main([*words, "--plan", "--json"])
    most = json.loads(capsys.readouterr().out)["most"]
    return int(most["forward_rows"] + most["backward_rows"])


EDITS = {
    "edit": ("edit", "in.png", "--prompt", "a house", "--count", "2", *QUICK),
    "drag": ("drag", "in.png", "--from", "20,30", "--to", "30,30", "--iterations", "1", "--inversion-iterations", "1",
             *QUICK),
    "extend": ("extend", "in.png", "--right", "8", "--prompt", "a house", *QUICK),
    "generate": ("generate", "--prompt", "a house", *QUICK),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EDITS))
def test_an_edit_above_the_limit_is_refused_with_the_number_of_the_plan(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = EDITS[name]
    rows = planned(capsys, *words)
    assert refused(capsys, *words, "--max-cost", str(rows - 1), "-o", "out.png") == (rows, rows - 1)
    assert not (folder / "out.png").exists()
    if name != "drag":
        main([*words, "--max-cost", str(rows), "-o", "out.png"])
        assert list(folder.glob("out*.png"))


def test_counting_for_the_limit_leaves_nothing_that_the_edit_begins_from(picture: Image.Image) -> None:
    method = scumble.DDIMInversion(prompt="a dog", source_prompt="a cat", num_inference_steps=3)
    plain, limited = (
        Editor.from_pretrained(MODEL).edit(picture, method, seed=5, max_cost=limit).image for limit in (None, 1000)
    )
    assert plain.tobytes() == limited.tobytes()


def test_redo_and_batch_hold_the_limit_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([*EDITS["generate"], "-o", "made.png"])
    rows = planned(capsys, *EDITS["generate"])
    assert refused(capsys, "redo", "made.png", "--model", MODEL, "--max-cost", "1") == (rows, 1)
    main(["redo", "made.png", "--model", MODEL, "--max-cost", str(rows)])
    assert "difference: 0" in capsys.readouterr().out


def test_a_batch_above_the_limit_makes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scumble.cli import batch_progress

    monkeypatch.setattr("scumble.cli.batch_plan.counted", lambda todo: {"forward": 60, "backward": 5})
    requests = [{"method": "sdedit", "image": "in.png", "prompt": "a dog"}]
    todo = scumble.batch(requests, folder / "results")
    with pytest.raises(InputError, match=r"65 rows .* more than the 64"):
        batch_progress.run(todo, dry_run=False, max_cost=64, as_json=False, quiet=True)
    assert not (folder / "results").exists()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_at_least_one_row(tiny_editor: Editor, picture: Image.Image, limit: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        tiny_editor.edit(picture, scumble.SDEdit(num_inference_steps=2), max_cost=limit)


def test_no_network_runs_before_the_limit_is_held(tiny_editor: Editor, picture: Image.Image) -> None:
    calls: list[Any] = []
    denoiser = tiny_editor.model.denoiser
    handle = denoiser.register_forward_hook(lambda *_: calls.append(1))
    try:
        with pytest.raises(InputError, match="more than the 3"):
            tiny_editor.edit(picture, scumble.SDEdit(prompt="a dog", num_inference_steps=8), max_cost=3)
    finally:
        handle.remove()
    assert not calls
