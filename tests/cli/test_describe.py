"""``scumble describe`` and ``--source-prompt auto``: captions in the world's words, one line where there is none."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.cli import main
from scumble.cli.describe import with_caption
from scumble.errors import InputError
from scumble_lab.bench.classifier import load_classifier
from scumble_lab.bench.describe import sentence
from scumble_lab.world import caption, render, sample_scene


def test_nine_of_ten_fresh_scenes_are_described_word_for_word() -> None:
    scenes = [sample_scene(random.Random(f"describe/1/{k}")) for k in range(24)]
    readings = load_classifier()(render(scenes, 64))
    assert sum(sentence(reading) == caption(scene) for reading, scene in zip(readings, scenes, strict=True)) >= 20


def test_what_is_said_of_a_file_can_be_given_as_its_source_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = sample_scene(random.Random("describe/1/0"))
    pixels = render([scene], 64)[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(tmp_path / "scene.png")
    main(["describe", str(tmp_path / "scene.png")])
    said = capsys.readouterr().out.strip()
    given = with_caption({"source_prompt": "auto", "skip": 0.2}, str(tmp_path / "scene.png"), None)
    assert given == {"source_prompt": said, "skip": 0.2} and said in capsys.readouterr().err
    assert with_caption({"source_prompt": "a cube"}, None, None) == {"source_prompt": "a cube"}


def test_what_cannot_be_described_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = torch.randint(0, 256, (64, 64, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    Image.fromarray(np.asarray(noise)).save(tmp_path / "noise.png")
    for words, reason in (
        (["describe", str(tmp_path / "noise.png")], "say what it shows"),
        (["describe", str(tmp_path / "noise.png"), "--model", "other/model"], "no captioner is on this machine"),
        (["describe", str(tmp_path / "none.png")], "none.png"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        message = capsys.readouterr().err
        assert stop.value.code == 2 and message.count("\n") == 1 and reason in message
    with pytest.raises(InputError, match="none was given"):
        with_caption({"source_prompt": "auto"}, None, None)
