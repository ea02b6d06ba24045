"""``scumble batch``: a folder or a list in, every result or its reason out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from scumble.cli.pipes import STDIN, STDOUT
from scumble.errors import InputError

__all__ = ["batch"]

STANDING = {"status", "report", "rebuild", "pause", "resume", "cancel"}
"""What ``scumble batch`` does with a folder of results instead of filling one."""


def batch(words: Sequence[str]) -> None:
    """Run ``scumble batch``. Flags it does not know itself are defaults for fields of the requests."""
    from scumble.cli import run_app

    asked = [word for word in words if word.lstrip("-").partition("=")[0] in STANDING and word.startswith("--")]
    app = App(name="scumble batch", version_flags=[])
    if asked:
        from scumble.cli.batch_folder import look

        app.default(look)
        run_app(app, words)
        return
    app.default(make)
    run_app(app, words)


def make(
    requests: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *fields: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
    output: Annotated[str, Parameter(name=["--output", "-o"])],
    maps: str | None = None,
    prompts: str | None = None,
    inversions: str | None = None,
    maps_optional: Annotated[bool, Parameter(negative="")] = False,
    recursive: Annotated[bool, Parameter(negative="")] = False,
    redo: Annotated[bool, Parameter(negative="")] = False,
    inputs: Path | None = None,
    relative_to: Path | None = None,
    within: Path | None = None,
    sets: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    name: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    max_cost: int | None = None,
    first: int | None = None,
    only: str | None = None,
    again: Annotated[bool, Parameter(negative="")] = False,
    verify: Annotated[bool, Parameter(negative="")] = False,
    add: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    retries: int = 1,
    time_limit: float | None = None,
    silence: float | None = None,
    grace: float = 5.0,
    stop_after: int = 20,
    wait_for_space: float = 600.0,
    order: Literal["affinity", "list", "shuffle", "short-first"] = "affinity",
    group: int = 1,
    workers: str = "auto",
    threads: int = 1,
    take_over: Annotated[bool, Parameter(negative="")] = False,
    ray: str | None = None,
    gpus_per_worker: float = 1.0,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make many requests. Started again with the same folder it goes on where it stopped.

    Any field of a request or of a method may be given as a default for all lines, as in scumble edit:
    --method sdedit --prompt "in snow" --strength 0.6 --seed 7 --model FOLDER. A folder's results are looked at with
    --status, --report, --rebuild, --pause, --resume and --cancel ID: scumble batch --status FOLDER.

    Parameters
    ----------
    requests
        A list (.jsonl, .csv, .tsv; - is JSONL from stdin), a folder of pictures, or a finished picture to make again.
    output
        Folder of the results and their ledger; or an address such as s3://bucket/out for the results.
    maps
        How the change map of a picture is called, such as '{stem}_mask.png' or 'masks/{stem}.*'.
    prompts
        How the text file with its prompt is called, such as '{stem}.txt'.
    inversions
        How its inversion is called, such as '{stem}.inversion.safetensors'.
    maps_optional
        Pictures without a map may change everywhere.
    recursive
        Also pictures in folders below.
    redo
        The folder holds finished pictures: make each again from its recipe.
    inputs
        Where files that recipes name by content are looked for.
    relative_to
        Folder that paths in a list from stdin are relative to.
    within
        Refuse files outside of this folder.
    sets
        FIELD=VALUE for all lines, whatever they say.
    name
        Names of the results: {id} {stem} {parent} {seed} {method} {line} {shard} {label.X}.
    dry_run
        Check every line, say what it would cost, and make nothing.
    max_cost
        Refuse a list that may take more rows of the network in all, forward and backward together.
    first
        Number of requests to make before it ends.
    only
        failed, interrupted, or an id.
    again
        Make anew what is done.
    verify
        Compare the content of every file, not its size and time alone.
    add
        Put this list beside another one's results.
    overwrite
        Replace files that are there and were not made by their request.
    retries
        How many faults of its own a request is forgiven.
    time_limit
        Seconds for one request.
    silence
        Seconds without a sign of life after which a worker counts as hanging.
    grace
        Seconds between asking a worker to stop and ending it.
    stop_after
        So many failures in a row with the same message end the run; 0: never.
    wait_for_space
        Seconds to wait for space on a full disk.
    order
        affinity brings together what shares a model and a picture.
    group
        Let so many requests of one model, method and size share the calls of the network, which saves time on some
        machines; a picture may then differ by a grey level from one made by itself.
    workers
        auto (one for each GPU, else one), how many, or devices such as cuda:0,cuda:1.
    threads
        Of each worker on a processor; part of what decides the last bits.
    take_over
        Go on from the copy of a ledger that is on another machine's disk.
    ray
        Run on a Ray cluster: auto, local, or an address.
    gpus_per_worker
        On a cluster; 0 for workers without one, 0.5 for two on a GPU.
    as_json
        One JSON object for each result on stdout, and nothing else there.
    quiet
        No progress and no remarks.
    """
    from scumble.cli.batch_progress import run
    from scumble.cli.describe import caption_at
    from scumble.records.list_lines import Patterns
    from scumble.records.wishes import Wishes
    from scumble.work.batch import Batch
    from scumble.work.driver import Rules
    from scumble.work.finished import Selection

    if output == STDOUT:
        raise InputError("a batch's results go to a folder or an address, not to stdout")
    flags = _fields(fields)
    if prompts is not None and "prompt" in flags:
        raise InputError("--prompt and --prompts exclude each other: one prompt for all, or a file for each")
    options: dict[str, Any] | None = None
    if ray is not None:
        number = None if workers == "auto" else int(workers) if workers.isdigit() else -1
        if number == -1:
            raise InputError(f"--workers must be a number on a cluster, got {workers!r}")
        options = {"address": ray, "workers": number, "gpus": gpus_per_worker}
    todo = Batch(
        _requests(requests, relative_to),
        output,
        workers=workers,
        threads=threads,
        wishes=Wishes({}, flags, _sets(sets), _text(within), _text(inputs), caption_at),
        patterns=Patterns(maps, prompts, inversions, maps_optional),
        recursive=recursive,
        redo=redo,
        name=name,
        order=order,
        group=group,
        select=Selection(only, again, verify, add),
        rules=Rules(retries, time_limit, first, stop_after, wait_for_space, again, overwrite),
        silence=silence,
        grace=grace,
        ray=options,
        take_over=take_over,
    )
    run(todo, dry_run=dry_run, max_cost=max_cost, as_json=as_json, quiet=quiet)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _requests(given: str, relative_to: Path | None) -> Any:
    if given != STDIN:
        return given
    if sys.stdin.isatty():
        raise InputError(
            "- reads a list from stdin, which is a terminal: pipe one in, as in make-list | scumble batch -"
        )
    if relative_to is None:
        raise InputError("a list from stdin needs --relative-to FOLDER, which its paths are relative to")
    from scumble.records.lists import read_text

    return read_text(sys.stdin.buffer.read(), "stdin", relative_to.absolute())


SHORT = {"p": "prompt", "m": "method", "steps": "num_inference_steps", "guidance": "guidance_scale"}
SHORT |= {"map": "change_map", "mask": "change_map"}


SEVERAL = ("lora", "textual_inversion", "also")
"""Flags of which each adds to those before."""


def _fields(words: Sequence[str]) -> dict[str, Any]:
    """Flags for fields of requests: ``--strength 0.6``, ``--seed=7``, ``--map-inside``; some may come several times."""
    fields: dict[str, Any] = {}
    waiting: str | None = None

    def put(key: str, value: Any) -> None:
        fields[key] = [*fields.get(key, []), value] if key in SEVERAL else value

    for word in words:
        if word.startswith("-") and not _is_number(word):
            if waiting is not None:
                fields[waiting] = True
            key, equal, value = word.lstrip("-").partition("=")
            key = SHORT.get(key, key.replace("-", "_"))
            waiting = None if equal else key
            if equal:
                put(key, _value(key, value))
        elif waiting is None:
            raise InputError(f"{word!r} belongs to no flag: give one list, folder or picture")
        else:
            put(waiting, _value(waiting, word))
            waiting = None
    if waiting is not None:
        fields[waiting] = True
    if "device" in fields:
        raise InputError(f"a batch's device is a matter of its workers: --workers {fields['device']}")
    return fields | ({"prompt_syntax": "weighted"} if fields.pop("weighted_prompt", False) else {})


def _sets(words: Sequence[str]) -> dict[str, Any]:
    fields = {}
    for word in words:
        name, equal, value = word.partition("=")
        if not equal:
            raise InputError(f"--set needs FIELD=VALUE, got {word!r}")
        fields[name.strip().replace("-", "_")] = _value(name, value)
    return fields


WORDS = ("prompt", "model", "method", "id", "image", "negative", "text", "label")


def _value(name: str, text: str) -> Any:
    """A flag's value: JSON where it is any, but words stay words."""
    if any(word in name for word in WORDS) and not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
