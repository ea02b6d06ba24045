"""``scumble methods`` and ``scumble info``: what there is, and what made a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from scumble.cli.pipes import input_file
from scumble.errors import InputError
from scumble.untrusted import printable

__all__ = ["info", "methods"]

Json = Annotated[bool, Parameter(name="--json", negative="")]


def methods(name: str | None = None, *, as_json: Json = False) -> None:
    """List the methods with their parameters, defaults and papers.

    Parameters
    ----------
    name
        Show only this method.
    as_json
        Print JSON.
    """
    from scumble.methods.registry import method_class, method_names

    classes = [method_class(n) for n in ([name] if name else method_names())]
    descriptions = [_describe(c) for c in classes]
    if as_json:
        print(json.dumps(descriptions, ensure_ascii=False, indent=2))
        return
    for method in descriptions:
        print(f"{method['name']}  ({method['paper']})")
        print(f"    {method['summary']}")
        for field in method["parameters"] if name or len(descriptions) < 2 else []:
            print(f"    --{field['name'].replace('_', '-')} = {field['default']!r}: {field['help']}")
        if not name:
            flags = ", ".join(f["name"].replace("_", "-") for f in method["parameters"])
            print(f"    parameters: {flags}")
    if not name:
        print("\nscumble methods NAME shows one method with defaults; scumble edit --method NAME --help its flags.")


def _describe(method: Any) -> dict[str, Any]:
    doc = (method.__doc__ or "").strip().splitlines()
    fields = [
        {
            "name": "map" if key == "change_map" else key,
            "default": field.get_default(call_default_factory=True),
            "help": " ".join((field.description or "").split()),
        }
        for key, field in method.model_fields.items()
    ]
    return {"name": method.method_name(), "paper": method.paper, "summary": doc[0] if doc else "", "parameters": fields}


def info(path: Path, *, as_json: Json = False) -> None:
    """Show the recipe of a picture made by scumble, or what an inversion file holds.

    Where an edited picture was edited again, the edits are shown one before the other, as far as their pictures lie
    beside it. What was not given is left out; --json has all.

    Parameters
    ----------
    path
        A picture (PNG, or JPEG/WebP with its sidecar) or an .inversion.safetensors file; - reads a PNG from stdin.
    as_json
        Print JSON.
    """
    from scumble.records.metadata import read_metadata

    with input_file(path) as file:
        if not file.exists():
            raise InputError(f"{file.name} does not exist")
        record = _inversion(file) if file.suffix == ".safetensors" else read_metadata(file)
        if isinstance(record.get("parent"), str):
            from scumble.records.chain import chain_of

            record = {**record, "chain": chain_of(file)}
    if as_json:
        print(json.dumps(record, ensure_ascii=False, indent=2))
        return
    for key, value in _flat(record):
        if value is not None and value not in ("", "[]", []):
            print(printable(f"{key}: {value}"))


def _inversion(path: Path) -> dict[str, Any]:
    from scumble.inversion.inversion import Inversion

    inversion = Inversion.load(path)
    return {
        "inversion": inversion.kind,
        "picture": {"name": inversion.picture_name, "sha256": inversion.picture_sha256, "size": list(inversion.size)},
        "model": {"name": inversion.model, "sha256": inversion.model_sha256},
        "prompt": inversion.prompt,
        "guidance_scale": inversion.guidance_scale,
        "eta": inversion.eta,
        "steps": inversion.steps,
        "first_step": inversion.first,
        "seed": inversion.seed,
        "latents": list(inversion.xs.shape),
        "reconstruction_error": dict(inversion.error),
        "made": dict(inversion.report),
        "version": inversion.version,
    }


def _flat(record: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """One line for each value; the items of a list of recipes, as an extended picture has, are numbered from 1."""
    pairs: list[tuple[str, Any]] = []
    for key, value in record.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, start=1):
                pairs += _flat(item, f"{prefix}{key}.{number}.")
        else:
            pairs.append((prefix + key, value))
    return pairs
