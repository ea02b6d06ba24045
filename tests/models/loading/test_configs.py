"""Configs of model folders: what would build for hours, or break the parser, is refused before anything is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from scumble.errors import CheckpointError, InputError
from scumble.models.loading.configs import checked_config, guarded, json_object


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1e"),
        ({"layers_per_block": [2, [600]]}, "at most 512"),
        ({"sample_size": 2**40}, "sample_size"),
        ([], "must hold a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": 1e999}', "too large"),
        ('{"a": "\\ud800"}', "surrogates"),
    ],
    ids=["layers", "nested layers", "size", "list", "deep", "infinite", "surrogate"],
)
def test_a_config_that_no_network_has_is_one_line(config: Any, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(CheckpointError, match=expected) as caught:
        checked_config(path, "no config")
    assert "\n" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config: .*config\.json is missing"):
        json_object(tmp_path / "config.json", "no config")
    (tmp_path / "config.json").mkdir()
    with pytest.raises(CheckpointError, match="is a folder"):
        json_object(tmp_path / "config.json", "no config")


def test_whatever_other_libraries_raise_becomes_one_line_and_our_own_errors_stay() -> None:
    def fails(error: BaseException) -> Any:
        raise error

    for error in (AttributeError("a\nb"), IndexError(), RecursionError("deep"), Exception("data did not match")):
        with pytest.raises(CheckpointError, match="damaged or incomplete") as caught:
            guarded("x/vae", lambda error=error: fails(error))
        assert "\n" not in str(caught.value) and caught.value.__cause__ is error
    for kept in (InputError("mine"), MemoryError(), torch.OutOfMemoryError("full"), KeyboardInterrupt()):
        with pytest.raises(type(kept)):
            guarded("x/vae", lambda kept=kept: fails(kept))
