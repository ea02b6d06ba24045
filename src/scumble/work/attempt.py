"""What a worker does with one request: look whether its result is there, else make it and write it whole."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from scumble.editing.editor import Editor
from scumble.editing.result import Result
from scumble.errors import CheckpointError, InputError, MemoryLimitError, ScumbleError
from scumble.hashing import sha256
from scumble.images import load_image, sidecar_path
from scumble.memory import in_use
from scumble.methods.method import Method
from scumble.methods.progress import Progress
from scumble.records.file_ref import content_sha256, file_refs
from scumble.records.metadata import read_metadata
from scumble.records.model_spec import ModelSpec
from scumble.records.naming import output_names
from scumble.records.problems import Problem
from scumble.records.recipe import versions
from scumble.records.recorded_runtime import settled_runtime
from scumble.records.request import MapFromWords, Request
from scumble.records.wishes import Settled
from scumble.work.commit import temporary_path, written
from scumble.work.crew import Cancelled, Tell
from scumble.work.sink import RemoteSink

__all__ = ["Attempt", "Todo", "edited", "without_folders_in_errors"]


@dataclass(frozen=True)
class Todo:
    """A request that is about to be made.

    Attributes:
        request: The request.
        method: Its method, with its files.
        editor: With its model.
        payload: What the driver said of it.
        finals: The names of its results.
        key: Its identity with all contents.
        common: What the driver is told of it, made or found.
        there: That its result is there already, and what the driver is told then; else None.
    """

    request: Request
    method: Method
    editor: Editor
    payload: Mapping[str, Any]
    finals: list[Path]
    key: str
    common: Mapping[str, Any]
    there: dict[str, Any] | None = None


class Attempt:
    """Makes requests in a worker's process; models and what they have encoded stay loaded.

    Args:
        folder: Where results go.
        token: What stands in the names of this worker's temporary files.
        device: ``cpu``, ``cuda:0``, ``mps``.
        threads: Of a CPU worker; it may decide a grey level, so it is a number of the whole batch.
        publish: Give results their final names here (on a cluster) rather than leave that to the driver.
        address: Where results go instead of ``folder``; then that is only the ledger's.
    """

    def __init__(
        self,
        folder: str,
        token: str,
        device: str = "cpu",
        threads: int = 1,
        publish: bool = False,
        address: str | None = None,
    ) -> None:
        torch.set_num_threads(threads)
        self.folder, self.token, self.device, self.publish = Path(folder), token, device, publish
        self.about = {"device": device, "threads": threads, "machine": platform.node(), **versions()}
        self._sink = None if address is None else RemoteSink(address)
        if self._sink is not None:
            self._scratch = tempfile.TemporaryDirectory(prefix="scumble-")
            self.folder = Path(self._scratch.name)
        self._editors: dict[str, Editor] = {}
        self._contents: dict[tuple[str, int, int], str] = {}

    def make(self, payload: Mapping[str, Any], tell: Tell, cancelled: Cancelled) -> dict[str, Any]:
        """Make one request: ``request``, ``output``, and perhaps ``batch``, ``older``, ``overwrite``.

        Or, under ``group``, several of these, each with its ``number``: see :func:`make_together`.

        Raises:
            ScumbleError: With what is wrong with the request.
        """
        if "group" in payload:
            from scumble.work.together import make_together

            return make_together(self, payload["group"], tell, cancelled)
        request = Request.model_validate(payload["request"])
        with without_folders_in_errors(request):
            todo = self.begin(request, payload, tell)
            if todo.there is not None:
                return todo.there
            result, batch = self._edited(todo, tell, cancelled)
            return self.finish(todo, result, batch)

    def begin(self, request: Request, payload: Mapping[str, Any], tell: Tell) -> Todo:
        """Load what a request needs and look whether its result is there.

        Raises:
            InputError: If another result is in the way, or an input cannot be read.
        """
        editor = self._editor(request.model, tell)
        contents, inputs = self._read(request)
        weights = editor.model.weights_hash
        key = request.key(contents, weights)
        method = _method(request)
        finals = [self.folder / name for name in output_names(payload["output"], _pictures(method, request.count))]
        common = {"key": key, "inputs": inputs, "model": [request.model.weights_name, weights]}
        todo = Todo(request, method, editor, payload, finals, key, common)
        there = [path for path in finals if self._is_there(path)]
        if there and not payload.get("overwrite"):
            keys = {_key_inside(path) for path in there}
            if keys == {key} and len(there) == len(finals):
                files = [self._placed(path) for path in _files(there)]
                return replace(todo, there={**common, "remark": "found", "files": files})
            if not keys <= {key, payload.get("older")}:
                raise InputError(f"{there[0].name} is there and was not made by this request: --overwrite replaces it")
        return todo

    def finish(self, todo: Todo, result: Result, batch: int | None = None) -> dict[str, Any]:
        """Save a result, and say what the driver has to know of it."""
        cost = result.cost.as_dict()
        return {
            **todo.common,
            "notes": _fallen_back(todo),
            "files": self._save(result, todo.request, todo.payload["output"], todo.finals, todo.key),
            "batch": batch,
            "resident": in_use(torch.device(self.device)),
            "cost": {
                "seconds": result.cost.seconds,
                "forward": cost["forward_rows"],
                "backward": cost["backward_rows"],
                "peak": result.cost.peak_bytes,
            },
        }

    def ask(self, what: str, data: Any) -> Any:
        """``settle``: check lines of a list; ``foreign``: which of these pictures were made by nobody's request;
        ``plan``: what requests cost, counted by their own loop without a network."""
        if what == "settle":
            from scumble.records.settle import settle

            return [self._settled(one) for one in settle(*data)]
        if what == "plan":
            return [self._planned(Request.model_validate(body)) for body in data]
        if what == "foreign":
            return [_key_inside(Path(path)) is None for path in data]
        raise InputError(f"a worker cannot answer {what!r}")

    # ------------------------------------------------------------------ inside

    def _settled(self, one: Settled) -> Settled:
        """With what ``auto`` means here."""
        if one.request is None:
            return one
        try:
            return replace(one, request=settled_runtime(one.request, self.device))
        except InputError as error:
            return replace(one, request=None, problems=(Problem(one.line.source, one.line.number, str(error)),))

    def _planned(self, request: Request) -> dict[str, Any]:
        """Forward and backward rows, at most, and whether just so many; and the pixels of all pictures."""
        method, inversion = _method(request), request.inversion
        try:
            picture = None if request.image is None else load_image(request.image.path or "")
            plan = self._editor(request.model).plan(
                picture,
                method,
                count=request.count,
                batch_size=request.batch_size,
                inversion=None if inversion is None else inversion.path,
                also=_extras(request),
                view=request.view,
            )
        except ScumbleError as error:
            return {"problem": str(error)}
        side = self._editor(request.model).model.native_size or 64
        width, height = (side, side) if picture is None else picture.rgb.size
        rows: dict[str, Any] = {"forward": plan.most.forward_rows, "backward": plan.most.backward_rows}
        rows |= {"exact": plan.exact, "seconds": plan.seconds}
        return {**rows, "pixels": width * height * _pictures(method, request.count)}

    def _editor(self, spec: ModelSpec, tell: Tell | None = None) -> Editor:
        name = spec.model_dump_json()
        if name not in self._editors:
            if tell is not None:
                tell("loading", model=spec.name or "")
            asked = spec.asked()
            settings: dict[str, Any] = {
                "device": self.device,
                **{one: asked.pop(one) for one in ("dtype", "runtime", "offload") if one in asked},
                **spec.add_ons(),
            }
            try:
                editor = Editor.from_pretrained(spec.name, **settings)
            except MemoryLimitError:
                if not self._editors:
                    raise
                self._editors.clear()
                editor = Editor.from_pretrained(spec.name, **settings)
            except (OSError, RuntimeError) as error:
                raise CheckpointError(f"{spec.name or 'the bundled model'} cannot be loaded: {error}") from error
            editor.expect_many(spec.settled)
            self._editors[name] = editor
            if tell is not None:
                tell("loaded", model=spec.weights_name, weights=editor.model.weights_hash)
        return self._editors[name]

    def _read(self, request: Request) -> tuple[dict[str, str], list[tuple[str, int, int, str]]]:
        """The content of every file, by its place; and (path, size, mtime_ns, sha256) of each."""
        contents, inputs = dict[str, str](), []
        for place, ref in file_refs(request):
            if ref.path is None:
                raise InputError(f"{place}: the file is known by its content alone, which is not here")
            path = Path(ref.path)
            try:
                stat = path.stat()
            except OSError as error:
                raise InputError(f"{path.name} cannot be read: {error.strerror}") from error
            mark = (str(path), stat.st_size, stat.st_mtime_ns)
            if mark not in self._contents:
                self._contents[mark] = content_sha256(path)
            contents[place] = self._contents[mark]
            inputs.append((*mark, contents[place]))
        return contents, inputs

    def _edited(self, todo: Todo, tell: Tell, cancelled: Cancelled) -> tuple[Result, int | None]:
        """The result; and how many candidates were computed at once, where memory forced fewer than asked."""
        asked = todo.request.batch_size or min(todo.request.count, 8)
        batch = min(asked, todo.payload.get("batch") or asked)
        while True:
            try:
                result = edited(todo.editor, todo, batch, tell, cancelled)
                return result, batch if batch < asked else None
            except MemoryLimitError:
                if batch == 1:
                    raise
                batch = max(1, batch // 2)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()

    def _is_there(self, path: Path) -> bool:
        """Whether a result is there; one at an address is fetched, to be looked into."""
        if self._sink is None:
            return path.exists()
        for file in (path, sidecar_path(path)):
            name = file.relative_to(self.folder).as_posix()
            file.unlink(missing_ok=True)
            if self._sink.size(name) is not None:
                self._sink.fetch(name, file)
        return path.exists()

    def _placed(self, path: Path) -> dict[str, Any]:
        """What the driver has to know of a file that was there."""
        pixels = None if path.suffix == ".json" else load_image(path).sha256
        known = {"path": path.relative_to(self.folder).as_posix(), "size": path.stat().st_size}
        return {**known, "file": content_sha256(path), "pixels": pixels, "remote": self._sink is not None}

    def _sent(self, sink: RemoteSink, one: Mapping[str, Any]) -> dict[str, Any]:
        """Send a finished file to the address."""
        temporary = self.folder / one["temporary"]
        try:
            return {**sink.put(temporary, one["path"]), "pixels": one["pixels"]}
        finally:
            temporary.unlink(missing_ok=True)

    def _save(
        self, result: Result, request: Request, output: str, finals: list[Path], key: str
    ) -> list[dict[str, Any]]:
        """Write every candidate whole under a temporary name; the last step is the driver's, or ours on a cluster."""
        files = []
        first = finals[0].with_name(Path(output).name)
        first.parent.mkdir(parents=True, exist_ok=True)
        images = list(result.images)  # put together once, not for saving and for its hash
        keyed = replace(result, images=images, recipe=result.recipe.model_copy(update={"request": key}))
        how: dict[str, Any] = {"quality": request.quality, "map_inside": request.map_inside}
        temporaries = keyed.save(temporary_path(first, self.token), **how)
        for temporary, final, image in zip(temporaries, finals, images, strict=True):
            pixels = sha256(f"{image.size}{image.mode}", image.tobytes())
            if sidecar_path(temporary).is_file():
                files.append(written(self.folder, sidecar_path(temporary), sidecar_path(final)))
            files.append(written(self.folder, temporary, final, pixels))
        if self._sink is not None:
            return [self._sent(self._sink, one) for one in files]
        if self.publish:
            from scumble.work.commit import durable, named

            named(self.folder, files)
            durable({(self.folder / one["path"]).parent for one in files})
            files = [{**one, "temporary": None} for one in files]
        return files


@contextmanager
def without_folders_in_errors(request: Request) -> Iterator[None]:
    """Leave names alone of the paths in errors: a ledger may be shown to others, and does not say where a user works.

    Raises:
        ScumbleError: What was raised inside, in other words.
    """
    try:
        yield
    except ScumbleError as error:
        text = str(error)
        for _, ref in file_refs(request):
            if ref.path:
                text = text.replace(ref.path, Path(ref.path).name)
        raise type(error)(text) from error


def _method(request: Request) -> Method:
    at = {place.removeprefix("files."): ref.path for place, ref in file_refs(request.files, "files")}
    more: dict[str, Any] = {}
    if request.change_map is not None:
        given = request.change_map
        if isinstance(given, MapFromWords):
            more["change_map"] = given.words
        else:
            more["change_map"] = given if isinstance(given, float) else given.path
    return request.build({place: path for place, path in at.items() if not place.startswith("also.")}, **more)


def _pictures(method: Method, count: int) -> int:
    """How many pictures a request gives: some methods make more for several prompts, some keep the best alone."""
    count = max(count, method.variants)
    keep = getattr(method, "keep", None)
    return count if keep is None else min(count, int(keep))


def edited(editor: Editor, todo: Todo, batch: int, tell: Tell, cancelled: Callable[[], bool]) -> Result:
    """Make the edit that a request asks for, in batches of that size."""
    request, method = todo.request, todo.method

    def on_step(progress: Progress) -> bool:
        tell("progress", stage="sample", step=progress.step, steps=progress.steps)
        return not cancelled()

    options: dict[str, Any] = {
        "seed": request.seed, "count": request.count, "batch_size": batch, "on_step": on_step,
        "also": _extras(request),
    }  # fmt: skip
    if request.image is None and request.inversion is None:
        return editor.generate(method, **options)
    if request.inversion is not None:
        options["inversion"] = request.inversion.path
    picture = None if request.image is None else load_image(request.image.path or "")
    return editor.edit(picture, method, view=request.view, **options)


def _fallen_back(todo: Todo) -> list[str]:
    """What the runtime that ``auto`` chose says of itself: that PyTorch answers for a network that it cannot take."""
    runtime = todo.editor.model.runtime
    remark = "" if runtime is None or not todo.request.model.settled else runtime.remark
    return [remark] if remark else []


def _extras(request: Request) -> list[Any]:
    if not request.also:
        return []
    from scumble.methods.extras.parse import from_recipe

    at = {place: ref.path for place, ref in request.files.items()}
    return [from_recipe(one) for one in request.extras(at)]


def _key_inside(path: Path) -> str | None:
    """The key of the request that a picture says it was made from."""
    try:
        key = read_metadata(path).get("request")
    except ScumbleError:
        return None
    return key if isinstance(key, str) else None


def _files(pictures: list[Path]) -> list[Path]:
    return [one for path in pictures for one in (sidecar_path(path), path) if one.is_file()]
