"""Which results stay when a benchmark is run again: those of the same model, seed, settings and guiding CLIP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scumble.methods.registry import method_class
from scumble_lab.bench.bench_editor import BenchEditor
from scumble_lab.bench.case import Sample
from scumble_lab.bench.models_in_use import Workshop

__all__ = ["has_guide", "plain", "stays"]


def stays(
    path: Path, mark: dict[str, Any], editor: BenchEditor, workshop: Workshop, sample: Callable[[], Sample]
) -> bool:
    """Whether a result is there that would be made again just so.

    Args:
        path: What was filed with it.
        mark: Whose it has to be, of which weights and seed.
        editor: Who makes it.
        workshop: The models.
        sample: Loads its case, where the settings depend on it.
    """
    record = _record(path, mark)
    return bool(record) and _guided_alike(record, editor, workshop) and _set_alike(record, editor, sample)


def _record(path: Path, mark: dict[str, Any]) -> dict[str, Any]:
    """What was filed with a result, if there is one without an error under the same mark; else nothing."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    same = isinstance(record, dict) and record.get("error") is None and record.get("mark") == mark
    return record if same and path.with_suffix(".png").is_file() else {}


def _guided_alike(record: dict[str, Any], editor: BenchEditor, workshop: Workshop) -> bool:
    """Whether the CLIP that guided is still the same; records that name none were filed before it was noted."""
    filed = record.get("guide")
    return filed is None or not has_guide(editor) or filed == workshop.guide


def has_guide(editor: BenchEditor) -> bool:
    """Whether a CLIP guides its method."""
    method: Any = None if editor.method is None else method_class(editor.method)
    return method is not None and "clip" in method.model_fields


def _set_alike(record: dict[str, Any], editor: BenchEditor, sample: Callable[[], Sample]) -> bool:
    """Whether the settings that a result was made with are still the editor's; ones that came since are at rest."""
    if editor.method is None:
        return True
    filed = record.get("parameters")
    if not isinstance(filed, dict):
        return False
    try:
        method = editor.build(sample())
    except Exception:  # what cannot be built will fail, and be recorded, when it is made
        return False
    now = plain(method.model_dump(mode="json"))
    since = plain(method.model_dump(mode="json", exclude_defaults=True)).keys() - filed.keys()
    return not since and all(key in now and now[key] == value for key, value in filed.items())


def plain(data: Any) -> Any:
    """What JSON gives back of it."""
    return json.loads(json.dumps(data, default=str))
