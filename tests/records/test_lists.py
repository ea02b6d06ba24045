"""Lists of requests: every line that is wrong is named with its number, before anything is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.errors import InputError
from scumble.records.list_folder import read_folder
from scumble.records.list_lines import Line, Patterns
from scumble.records.lists import read_list, read_text
from scumble.records.naming import check_id, name_requests, output_names
from scumble.records.problems import ListError
from scumble.records.settle import settle
from scumble.records.wishes import Settled, Wishes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.jpg", "a_mask.png", "b_mask.webp", "deep/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), (200, 10, 10)).save(tmp_path / name)
    (tmp_path / "a.txt").write_text("a red thing\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("\ufeffa blue thing", encoding="utf-8")
    return tmp_path


def settled(lines: list[dict[str, Any]], folder: Path, **wishes: Any) -> list[Settled]:
    return settle([Line("l.jsonl", k, one, str(folder)) for k, one in enumerate(lines, 1)], Wishes(**wishes))


def problem(line: dict[str, Any], folder: Path, **wishes: Any) -> str:
    return "; ".join(one.text for one in settled([line], folder, **wishes)[0].problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{]", "l.jsonl:1: is no JSON: "),
        ('\n# a remark\n{"a": 1}\n[1]', "l.jsonl:4: is no JSON object but a list"),
        ('{"a": 1, "a": 2}', "l.jsonl:1: gives 'a' twice"),
        ('{"a": NaN}', "l.jsonl:1: holds NaN, which is no number of JSON"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "l.jsonl:1: is nested deeper than 32 levels"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "l.jsonl:1: is nested deeper than 32 levels"),
        ('{"a": "' + "x" * (1 << 20) + '"}', "l.jsonl:1: the line is longer than 1048576 characters"),
        ('{"scumble-batch": 2}', "l.jsonl:1: the list has version 2, this version of scumble reads 1"),
        ('{"scumble-batch": 1, "default": {}}', "l.jsonl:1: the header knows no 'default'"),
        ('{"a": 1}\n{"scumble-batch": 1}', "l.jsonl:2: the header must be the first object of the list"),
    ],
)
def test_lines_that_cannot_be_read_are_named(text: str, expected: str) -> None:
    with pytest.raises(ListError) as caught:
        read_text(text.encode(), "l.jsonl", Path())
    assert str(caught.value.problems[0]).startswith(expected)


def test_all_problems_are_collected_and_twenty_shown() -> None:
    with pytest.raises(ListError) as caught:
        read_text("\n".join(["{"] * 25).encode(), "l.jsonl", Path())
    assert len(caught.value.problems) == 25 and str(caught.value).endswith("… and 5 more problems")


def test_text_that_is_not_utf8_is_refused_with_its_line() -> None:
    with pytest.raises(ListError, match=r"l\.jsonl:2: is not UTF-8"):
        read_text(b'{"a": 1}\n{"a": "\xff"}', "l.jsonl", Path())


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_gives_the_same_requests_as_a_list(folder: Path, delimiter: str) -> None:
    rows = [{"image": "a.png", "method": "sdedit", "prompt": "12", "strength": 0.5, "label.set": "7", "seed": 3},
            {"image": "b.jpg", "method": "sdedit", "prompt": 'two\nlines, "quoted"', "strength": 1}]  # fmt: skip
    names = list(rows[0])

    def cell(value: Any) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    text = delimiter.join(names) + "\n" + "\n".join(
        delimiter.join(cell(row[name]) if name in row else "" for name in names) for row in rows)  # fmt: skip
    table = read_text(text.encode("utf-8-sig"), "l.csv", folder, table=True)
    assert [line.number for line in table.lines] == [2, 3]
    listed = read_text("\n".join(json.dumps(row) for row in rows).encode(), "l.jsonl", folder)
    first, second = (settle(found.lines, Wishes()) for found in (table, listed))
    assert [one.request for one in first] == [one.request for one in second]
    assert first[0].request is not None and first[0].request.labels == {"set": "7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty: the first line must name the columns"),
        ("\nimage\n", "is empty: the first line must name the columns"),
        ("image" + "x" * 200_000, "is no CSV: field larger than field limit"),
        ("image\n" + "x" * 200_000, "is no CSV: field larger than field limit"),
        ('image,prompt\n"a.png,b', "is no CSV: unexpected end of data"),
        ("image,image\na,b", "the column 'image' is there twice"),
        ("image,,prompt\na,b,c", "a column has no name"),
    ],
)
def test_what_is_no_table_is_named(text: str, expected: str) -> None:
    with pytest.raises(ListError) as caught:
        read_text(text.encode(), "l.csv", Path(), table=True)
    assert expected in caught.value.problems[0].text


def test_a_table_with_the_wrong_number_of_cells_is_refused_where_the_record_begins() -> None:
    text = 'image,prompt\na.png,"two\nlines"\nb.png\n'
    with pytest.raises(ListError, match=r"l\.csv:4: has 1 cells, the header names 2"):
        read_text(text.encode(), "l.csv", Path(), table=True)
    with pytest.raises(ListError, match=r"l\.csv:1: the column 'image' is there twice"):
        read_text(b"image,image\na,b\n", "l.csv", Path(), table=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"image": "a.png", "strenght": 0.5, "method": "sdedit"}, "unknown field 'strenght' (did you mean strength"),
        ({"image": "a.png", "method": "sdedti"}, "unknown method 'sdedti' (did you mean sdedit"),
        ({"image": "aa.png"}, "image: 'aa.png' does not exist (did you mean a.png?)"),
        ({"image": "no/a.png"}, "image: 'no/a.png' does not exist (its folder 'no' does not either)"),
        ({"image": "a.png", "change_map": "m.png"}, "change_map: 'm.png' does not exist"),
        ({"image": "a.png", "method": "sdedit", "strength": 1.4}, "strength must be at most 1, got 1.4"),
        ({"image": "deep"}, "image: 'deep' is a folder"),
        ({"image": "a.txt"}, "image: 'a.txt' is no picture that can be read"),
        ({"image": "/dev/zero"}, "image: '/dev/zero' is no regular file"),
        ({"image": "https://example.org/a.png"}, "image: 'https://example.org/a.png' is an address"),
        ({"prompt": "x", "method": "sdedit"}, "sdedit edits a picture: give image"),
        ({"image": "a.png", "method": "text-to-image"}, "text-to-image makes pictures from nothing"),
        ({"image": "a.png", "change_map": 2}, "change_map: as a number, the strength of the change"),
        ({"image": "a.png", "count": 0}, "count must be at least 1, got 0"),
        ({"image": "a.png", "also": ["pain {}"]}, "--also knows no 'pain' (did you mean paint"),
        ({"image": "a.png", "method": "diffuseit", "target_image": "t.png"}, "target_image: 't.png' does not exist"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_in_one_line(line: dict[str, Any], expected: str, folder: Path) -> None:
    text = problem(line, folder)
    assert text.startswith(expected) and "\n" not in text


def test_files_outside_of_a_folder_are_refused_where_that_was_asked(folder: Path) -> None:
    assert problem({"image": "../x.png"}, folder / "deep", within=str(folder / "deep")).endswith(
        f"is outside of {folder / 'deep'}"
    )


def test_precedence_is_class_header_flags_line_set(folder: Path) -> None:
    line = {"image": "a.png", "method": "sdedit", "prompt": "line"}
    header = {"strength": 0.1, "prompt": "header", "sdedit": {"guidance_scale": 2, "strength": 0.2}}
    (one,) = settled([line], folder, defaults=header, flags={"guidance_scale": 3}, sets={"eta": 0.5})
    assert one.request is not None
    parameters = one.request.parameters
    assert (parameters["prompt"], parameters["strength"], parameters["guidance_scale"], parameters["eta"]) == (
        "line", 0.2, 3, 0.5)  # fmt: skip
    assert one.request.defaults["num_inference_steps"] == 50 and "num_inference_steps" not in parameters


def test_a_default_that_the_method_does_not_have_is_refused(folder: Path) -> None:
    text = problem({"image": "a.png", "method": "sdedit"}, folder, defaults={"skip": 0.1})
    assert text.startswith("the default 'skip' is no field of sdedit")
    line = {"image": "a.png", "method": "sdedit"}
    assert problem(line, folder, defaults={"ddpm-inversion": {"skip": 0.1}}) == ""


def test_all_files_of_a_line_are_located(folder: Path) -> None:
    line = {"image": "a.png", "method": "diffuseit", "target_image": "b.jpg", "change_map": "a_mask.png",
            "also": ['paint {"colour": "red", "mask": "a_mask.png"}']}  # fmt: skip
    (one,) = settled([line], folder)
    assert one.problems == () and one.request is not None
    assert set(one.at) == {"image", "change_map", "files.target_image", "files.also.0.mask"}
    assert one.request.parameters["target_image"] is None and one.request.also[0]["mask"] is None
    built = one.request.build({"target_image": one.at["files.target_image"]})
    assert getattr(built, "target_image") == str(folder / "b.jpg")  # noqa: B009
    extras = one.request.extras({"also.0.mask": "m.png", "target_image": "x"})
    assert extras[0]["mask"] == "m.png"


def test_a_folder_gives_each_picture_its_map_and_prompt(folder: Path) -> None:
    found = read_folder(folder, Patterns(maps="{stem}_mask.*", prompts="{stem}.txt"))
    assert [(line.name, line.fields["change_map"], line.fields["prompt"]) for line in found.lines] == [
        ("a", "a_mask.png", "a red thing"), ("b", "b_mask.webp", "a blue thing")]  # fmt: skip
    assert [line.name for line in read_folder(folder, recursive=True).lines] == [
        "a", "a_mask", "b", "b_mask", "deep/c"]  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (Patterns(maps="{stem}_nothing.png"), "a.png: no map matches '{stem}_nothing.png'"),
        (Patterns(maps="*_mask.*"), "a.png: several match '*_mask.*' as its map: a_mask.png, b_mask.webp"),
        (Patterns(maps="{name}"), "a.png: the map pattern '{name}' matches the picture itself"),
        (Patterns(prompts="{stem}.md"), "a.png: no prompt matches '{stem}.md'"),
    ],
)
def test_patterns_must_match_exactly_one_file(folder: Path, patterns: Patterns, expected: str) -> None:
    with pytest.raises(ListError) as caught:
        read_folder(folder, patterns)
    assert str(caught.value.problems[0]) == expected
    if patterns.maps == "{stem}_nothing.png":
        assert read_folder(folder, Patterns(maps=patterns.maps, maps_optional=True)).lines


def test_an_unknown_part_of_a_pattern_and_an_empty_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"knows no \{stme\}"):
        read_folder(folder, Patterns(maps="{stme}.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        read_folder(tmp_path / "empty")
    with pytest.raises(InputError, match="is no list"):
        read_list(folder / "a.txt")


def named(lines: list[dict[str, Any]], folder: Path, pattern: str | None = None) -> Any:
    good = [(one.line, one.request, one.at) for one in settled(lines, folder) if one.request is not None]
    assert len(good) == len(lines)
    return name_requests(good, pattern)


def test_ids_and_seeds_survive_shuffling_and_inserting(folder: Path) -> None:
    lines = [{"image": "a.png", "prompt": f"p{k}", "method": "sdedit"} for k in range(5)]
    first, wrong, notes = named(lines, folder)
    again, _, _ = named([lines[3], {"image": "b.jpg", "method": "sdedit"}, *lines[:3], lines[4]], folder)
    assert not wrong and notes == ["5 requests give no seed: each gets one of its own, from its id"]
    seeds = {one.request.id: (one.request.seed, one.request.line()) for one in first}
    later = {one.request.id: (one.request.seed, one.request.line()) for one in again}
    assert len(seeds) == 5 and seeds.items() <= later.items()
    assert all(one.request.output == f"{one.request.id}.png" for one in first)


def test_equal_lines_and_equal_ids_are_refused(folder: Path) -> None:
    line = {"image": "a.png", "method": "sdedit"}
    _, wrong, _ = named([line, line], folder)
    assert str(wrong[0]) == "l.jsonl:2: is the same request as line 1: give one of them an id"
    _, wrong, _ = named([{**line, "id": "x"}, {**line, "id": "x"}], folder)
    assert str(wrong[0]) == "l.jsonl:2: the id 'x' is that of line 1, too"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"output": "A.png"}, {"output": "a.PNG"}),
        ({"output": "é.png"}, {"output": "é.png"}),
        ({"output": "a.png", "count": 2}, {"output": "a-1.png"}),
        ({"output": "x.jpg"}, {"output": "X.jpg"}),
    ],
)
def test_outputs_that_are_one_file_somewhere_are_refused(folder: Path, one: Any, two: Any) -> None:
    line = {"image": "a.png", "method": "sdedit"}
    _, wrong, _ = named([{**line, "id": "1", **one}, {**line, "id": "2", **two}], folder)
    assert len(wrong) >= 1 and "is that of line 1, too" in wrong[0].text


@pytest.mark.parametrize("output", ["../a.png", "/a.png", "a.bmp", "x/../../a.png", "con.png", ".a.png", "a\\b.png"])
def test_outputs_outside_of_the_folder_are_refused(folder: Path, output: str) -> None:
    _, wrong, _ = named([{"image": "a.png", "method": "sdedit", "output": output}], folder)
    assert len(wrong) == 1


def test_names_follow_a_pattern(folder: Path) -> None:
    lines = [{"image": "a.png", "method": "sdedit", "seed": 7, "label.set": "x", "id": "one"}]
    (one,), wrong, _ = named(lines, folder, "{label.set}/{stem}-{seed}-{method}.jpg")
    assert not wrong and one.request.output == "x/a-7-sdedit.jpg"
    _, wrong, _ = named(lines, folder, "{nonsense}.png")
    assert "holds an unknown name" in wrong[0].text
    assert output_names("x/a.png", 2) == ["x/a-0.png", "x/a-1.png"]


def test_ids_that_cannot_be_files_are_refused() -> None:
    assert check_id("a/b.c-1") is None
    for name in ("", "a/../b", ".a", "nul", "a//b", "x" * 151, "a:b", "a\nb"):
        assert check_id(name) is not None
