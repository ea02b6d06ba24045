"""The site builds strictly: a dead link or a docstring that does not parse is an error; nothing is missing."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scumble
from scumble.cli import COMMANDS, main, make_app
from scumble.methods.registry import method_class, method_names
from scumble.work.schema import STATES

BUILD = Path(__file__).parents[2] / "docs" / "build.py"

FORMATS = {
    "recipe": list(scumble.Recipe.model_fields),
    "request": list(scumble.Request.model_fields),
    "inversion": [field.name for field in dataclasses.fields(scumble.Inversion)],
    "ledger": [],
}

for needed in ("sphinx", "furo", "myst_parser"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: pip install 'scumble[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, str(BUILD), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "html"


def test_every_method_has_its_page_with_every_flag(site: Path) -> None:
    for name in method_names():
        page = (site / "method" / f"{name}.html").read_text(encoding="utf-8")
        for field in method_class(name).model_fields:
            flag = "map" if field == "change_map" else field.replace("_", "-")
            assert f"--{flag}" in page, (name, field)


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    for name in set(scumble.__all__) - {"__version__"}:
        assert (site / "python" / f"{name}.html").exists(), name


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_command_reference_has_every_flag_that_help_prints(
    site: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = html.unescape((site / "command" / f"{command}.html").read_text(encoding="utf-8"))
    monkeypatch.setenv("COLUMNS", "200")
    for below in ([], *([name] for name in make_app()[command] if not name.startswith("-"))):
        with contextlib.suppress(SystemExit):
            main([command, *below, "--help-all"])
        flags = set(re.findall(r"--[a-z][\w-]+", capsys.readouterr().out)) - {"--help", "--help-all"}
        assert not [flag for flag in flags if flag not in page], (command, below)


def test_file_formats_state_every_field_and_layout(site: Path) -> None:
    pages = {name: (site / "formats" / f"{name}.html").read_text(encoding="utf-8") for name in FORMATS}
    for name, fields in FORMATS.items():
        assert not [field for field in fields if f">{field}<" not in pages[name]], name
    assert all("writes layout" in pages[name] for name in ("recipe", "inversion", "ledger"))
    assert all(state in pages["ledger"] for state in STATES)


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for tag in ('<script src="http', '<link rel="stylesheet" type="text/css" href="http', '<img src="http'):
            assert tag not in text, (page.name, tag)
