"""What TAB completes, asked of the shells themselves, as far as they are installed here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from cyclopts import App

from scumble.cli import main
from scumble.cli.completion import complete_app

ASKED = {
    "scumble re": "redo",
    "scumble edit --fresh": "--fresh-noise",
    "scumble drag --fr": "--from",
    "scumble edit --method plug": "plug-and-play",
    "scumble edit photo.png --met": "--method",
    "scumble map el": "ellipse",
}
"""A line before TAB, and what is offered then."""

ZSH = r"""
zmodload zsh/zpty
folder=$1; shift
zpty shell zsh -f -i
type() { zpty -w shell "$1; print \$((40 + 2))done"; zpty -r shell answer '*42done*' }
type "PS1= PS2= RPS1=; fpath=($folder \$fpath); autoload -Uz compinit; compinit -u -D"
type 'compadd() {
  local -a hits
  [[ ${@[1,(i)(-|--)]} == *-(O|A|D)* ]] || { builtin compadd -A hits "$@"; print -r -- $hits >> $offered }
  builtin compadd "$@"
}'
for line in "$@"; do
  type "offered=$folder/offered; : > \$offered"
  zpty -w -n shell "$line"$'\t'
  repeat 200; do [[ -s $folder/offered ]] && break; sleep .05; done
  zpty -w -n shell $'\C-u'
  type ":"
  print -r -- $(<$folder/offered)
done
zpty -d shell
"""
"""Types each line and TAB into an interactive zsh, and prints what is offered, a line each."""


@pytest.fixture(scope="module")
def completed() -> App:
    return complete_app()


def in_bash(script: Path) -> list[str]:
    lines = [f"source {shlex.quote(str(script))}"]
    for words in ASKED:
        parts = words.split()
        lines.append(f"COMP_WORDS=({' '.join(parts)}); COMP_CWORD={len(parts) - 1}; COMPREPLY=(); _scumble")
        lines.append('echo "${COMPREPLY[*]}"')
    return answered("bash", "-c", "\n".join(lines))


def in_fish(script: Path) -> list[str]:
    lines = [f"source {shlex.quote(str(script))}"]
    lines += [f"echo (complete -C {shlex.quote(words)} | string split -f 1 \\t)" for words in ASKED]
    return answered("fish", "-N", "-c", "\n".join(lines))


def in_zsh(script: Path) -> list[str]:
    typed = script.with_name("type.zsh")
    typed.write_text(ZSH)
    return answered("zsh", "-f", str(typed), str(script.parent), *ASKED)


def answered(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


SHELLS: dict[Literal["bash", "fish", "zsh"], tuple[str, Callable[[Path], list[str]]]] = {
    "bash": ("scumble.bash", in_bash),
    "fish": ("scumble.fish", in_fish),
    "zsh": ("_cyclopts_scumble", in_zsh),
}
"""Shell -> how its script is called, and what it offers."""


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell)])
def test_tab_offers_commands_flags_and_methods(
    shell: Literal["bash", "fish", "zsh"], completed: App, tmp_path: Path
) -> None:
    name, ask = SHELLS[shell]
    (tmp_path / name).write_text(completed.generate_completion(shell=shell))
    for answer, (words, expected) in zip(ask(tmp_path / name), ASKED.items(), strict=True):
        assert expected in answer.split(), words


@pytest.mark.parametrize("shell", ["fish", "zsh"])
def test_completions_of_other_shells_name_the_same(completed: App, shell: Literal["fish", "zsh"]) -> None:
    text = completed.generate_completion(shell=shell)
    assert all(name in text for name in ("plug-and-play", "fresh-noise", "redo", "drag"))


def test_completions_are_installed_where_the_user_says(
    completed: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scumble.cli.completion.complete_app", lambda: completed)
    main(["--install-completion", "--shell", "fish", "--output", str(tmp_path / "scumble.fish")])
    assert "begin with the next shell" in capsys.readouterr().out
    assert "plug-and-play" in (tmp_path / "scumble.fish").read_text()
    with pytest.raises(SystemExit) as stop:
        main(["--install-completion", "--shell", "tcsh"])
    assert stop.value.code == 2


def test_a_script_for_zsh_has_the_name_under_which_zsh_looks_for_it(
    completed: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scumble.cli.completion.complete_app", lambda: completed)
    with pytest.raises(SystemExit):
        main(["--install-completion", "--shell", "zsh", "--output", str(tmp_path / "_scumble")])
    assert "_cyclopts_scumble" in capsys.readouterr().err and not list(tmp_path.iterdir())
    main(["--install-completion", "--shell", "zsh", "--output", str(tmp_path / "_cyclopts_scumble")])
    assert (tmp_path / "_cyclopts_scumble").is_file()
