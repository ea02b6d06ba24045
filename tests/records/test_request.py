"""A request's identity: what is in it, what is not, and that no file is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from PIL import Image
from pydantic import BaseModel, ConfigDict

from scumble.errors import InputError
from scumble.file_field import FileField, named_files
from scumble.methods.registry import METHODS, method_class
from scumble.records.file_ref import FileRef, content_sha256, file_refs
from scumble.records.model_spec import ModelSpec
from scumble.records.request import MapFromWords, Request, canonical, drawn_seed, put

WEIGHTS = "ab" * 32


def request(**fields: Any) -> Request:
    return Request(**{"method": "sdedit", "parameters": {"prompt": "a", "strength": 0.5}, "seed": 1, **fields})


def test_id_output_priority_and_labels_are_no_part_of_the_identity() -> None:
    other = request(id="x", output="y.png", priority=3, labels={"a": "b"})
    assert other.line() == request().line() and other.key({}, WEIGHTS) == request().key({}, WEIGHTS)


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"count": 2}, {"parameters": {"prompt": "b", "strength": 0.5}}, {"change_map": 0.5}, {"quality": 90},
     {"method": "text-to-image"}, {"also": ({"kind": "paint"},)}, {"batch_size": 1},
     {"model": {"name": None, "clip_skip": 1}}, {"view": {"tiles": True}}, {"map_inside": True}],
)  # fmt: skip
def test_everything_else_is_part_of_the_identity(change: dict[str, Any]) -> None:
    assert request(**change).line() != request().line()
    assert request(**change).key({}, WEIGHTS) != request().key({}, WEIGHTS)


def test_a_field_that_came_later_leaves_the_identity_of_other_requests_as_it_was() -> None:
    """Finished pictures carry it: one that changed would make every batch anew."""
    before = "e8cb6e22cff4125986bd4c84129936257d2c14888b06ee3ee6e19ef872e97fcc"
    assert Request(method="sdedit", image="a.png", parameters={"prompt": "x"}, seed=1).line() == before


def test_the_key_knows_contents_and_not_names() -> None:
    one, two = request(image="a.png", model="x"), request(image="folder/b.png", model="y")
    assert one.line() != two.line()
    assert one.key({"image": "11" * 32}, WEIGHTS) == two.key({"image": "11" * 32}, WEIGHTS)
    assert one.key({"image": "22" * 32}, WEIGHTS) != one.key({"image": "11" * 32}, WEIGHTS)
    assert one.key({"image": "11" * 32}, "cd" * 32) != one.key({"image": "11" * 32}, WEIGHTS)


def test_a_file_anywhere_in_a_request_is_hashed_into_its_key() -> None:
    class Deep(BaseModel):
        model_config = ConfigDict(frozen=True)
        parts: tuple[dict[str, FileRef], ...] = ()

    class Wider(Request):
        dummy: Deep = Deep()

    wide = Wider(method="sdedit", seed=1, dummy=Deep(parts=({"mask": FileRef(path="m.png")},)))
    assert [place for place, _ in file_refs(wide)] == ["dummy.parts.0.mask"]
    with pytest.raises(KeyError):
        wide.key({}, WEIGHTS)
    keys = {wide.key({"dummy.parts.0.mask": content}, WEIGHTS) for content in ("11" * 32, "22" * 32)}
    assert len(keys) == 2
    model = ModelSpec(vae=FileRef(path="v.safetensors"), embeddings=(FileRef(path="e.safetensors"),),
                      adapters=({"file": {"path": "l.safetensors"}},))  # type: ignore[arg-type]  # fmt: skip
    places = [place for place, _ in file_refs(request(model=model, files={"also.0.mask": FileRef(path="m.png")}))]
    assert places == ["files.also.0.mask", "model.adapters.0.file", "model.vae", "model.embeddings.0"]


def test_a_file_field_anywhere_in_a_method_is_found() -> None:
    class Inner(BaseModel):
        look: Annotated[str | None, FileField("image")] = None

    class Dummy(BaseModel):
        plain: str = "not/a/file.png"
        table: Annotated[str | None, FileField("text")] = None
        inner: tuple[Inner, ...] = ()
        by_word: dict[str, Inner] = {}
        clip: Annotated[str, FileField("model")] = "clip"

    dummy = Dummy(table="t.txt", inner=(Inner(), Inner(look="x.png")), by_word={"cat": Inner(look="c.png")})
    assert {one.place: one.path for one in named_files(dummy)} == {
        "table": "t.txt", "inner.1.look": "x.png", "by_word.cat.look": "c.png"}  # fmt: skip
    assert [one.place for one in named_files(Dummy(clip="models/clip"))] == ["clip"]


def test_fields_of_methods_and_of_requests_have_different_names() -> None:
    for name in METHODS:
        kind: Any = method_class(name)
        assert set(kind.model_fields) & set(Request.model_fields) <= {"change_map"}, name


def test_whole_numbers_are_the_same_however_they_are_written() -> None:
    assert canonical({"b": 1.0, "a": [2, 0.5]}) == '{"a":[2,0.5],"b":1}'
    assert request(parameters={"strength": 1}).line() == request(parameters={"strength": 1.0}).line()


def test_a_request_survives_json() -> None:
    one = request(image="a.png", change_map=0.25, labels={"set": "é"}, files={"target_image": FileRef(path="t.png")})
    assert Request.model_validate_json(one.model_dump_json()) == one


def test_wrong_maps_and_unknown_fields_are_refused() -> None:
    for wrong in ({"change_map": 1.5}, {"change_map": True}, {"seed": -1}, {"nonsense": 1}, {"count": 0}):
        with pytest.raises(InputError):
            request(**wrong)


def test_drawn_seeds_are_fixed_and_differ() -> None:
    assert drawn_seed("cat-1") == drawn_seed("cat-1") < 2**31
    assert len({drawn_seed(f"cat-{k}") for k in range(100)}) == 100


def test_values_are_put_where_they_belong() -> None:
    body: dict[str, Any] = {"files": {"also.0.mask": 1, "a": 2}, "model": {"adapters": [{"file": 3}]}, "image": 4}
    for place in ("files.also.0.mask", "files.a", "model.adapters.0.file", "image"):
        put(body, place, "x")
    assert body == {"files": {"also.0.mask": "x", "a": "x"}, "model": {"adapters": [{"file": "x"}]}, "image": "x"}


def test_the_content_of_a_folder_is_that_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "m" / "unet").mkdir(parents=True)
    (tmp_path / "m" / "unet" / "w").write_bytes(b"1")
    before = content_sha256(tmp_path / "m")
    (tmp_path / "m" / "unet" / "w").write_bytes(b"2")
    assert content_sha256(tmp_path / "m") != before


def test_maps_from_words_and_words_with_maps_are_requests(tmp_path: Path) -> None:
    from scumble.records.list_lines import Line
    from scumble.records.settle import settle
    from scumble.records.wishes import Wishes
    from tests.images.drawn import photograph

    for name in ("in.png", "m.png"):
        Image.fromarray(photograph(16, 16)).save(tmp_path / name)
    placed = [{"text": "a cat"}, {"text": "a red cube", "map": "m.png"}, {"text": "sand", "map": "not:cube"}]
    line = {"image": "in.png", "method": "differential-diffusion", "change_map": "words:cube", "prompt": placed}
    (one,) = settle([Line("list.jsonl", 1, line, str(tmp_path))], Wishes())
    assert one.problems == () and one.request is not None
    assert one.request.change_map == MapFromWords(words="words:cube") == MapFromWords(words="cube")
    assert {place: Path(path).name for place, path in one.at.items()} == {
        "image": "in.png",
        "files.placed_words.0.map": "m.png",
    }
    contents = dict.fromkeys(one.at, "11" * 32)
    other = {**contents, "files.placed_words.0.map": "22" * 32}
    assert one.request.key(contents, WEIGHTS) != one.request.key(other, WEIGHTS)
    at = {"placed_words.0.map": one.at["files.placed_words.0.map"]}
    built: Any = one.request.build(at, change_map="words:cube")
    assert built.first_prompt == "a cat"
    assert [words.text for words in built.placed_words] == ["a red cube", "sand"]
    assert Path(built.placed_words[0].map).name == "m.png" and built.placed_words[1].map == "not:cube"
