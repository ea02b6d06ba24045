"""Batches with a real (tiny, random) model: the same files however they come about, and nothing made twice."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.cli import main
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.records.map_inside import MAP_KEY
from scumble.records.metadata import read_metadata
from scumble.records.request import Request
from scumble.work.attempt import Attempt
from scumble.work.batch import Batch
from scumble.work.driver import Rules
from scumble.work.finished import Finished
from scumble.work.ledger import Ledger

TINY = str(Path(__file__).parents[1] / "reference" / "tiny-sd")
COUNT = 6


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures, a map, and a list of six requests."""
    folder = tmp_path_factory.mktemp("inputs")
    for k in range(3):
        ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3) + 40 * k
        Image.fromarray(ramp.astype(np.uint8)).save(folder / f"p{k}.png")
    Image.fromarray((np.tri(64) * 255).astype(np.uint8)).save(folder / "m.png")
    write_list(folder / "list.jsonl")
    return folder


def write_list(path: Path, **changes: Any) -> None:
    lines = [
        {"id": f"r{k}", "image": f"p{k % 3}.png", "change_map": "m.png", "prompt": f"number {k}"} for k in range(COUNT)
    ]
    lines[4]["count"] = 2
    lines[5]["output"] = "five.jpg"
    lines[0] |= changes
    header = {
        "scumble-batch": 1,
        "defaults": {"method": "differential-diffusion", "num_inference_steps": 2, "model": TINY},
    }
    path.write_text("\n".join(json.dumps(one) for one in (header, *lines)), encoding="utf-8")


def run(inputs: Path, folder: Path | str, name: str = "list.jsonl", **options: Any) -> tuple[list[Finished], int]:
    with Batch(inputs / name, folder, **{"workers": 1, **options}) as results:
        return list(results), results.exit_code()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an undisturbed run on one worker."""
    folder = tmp_path_factory.mktemp("whole")
    results, code = run(inputs, folder)
    assert code == 0 and [one.state for one in results] == ["done"] * COUNT
    return folder


def test_every_result_is_there_with_its_recipe_and_the_key_of_its_request(inputs: Path, whole: Path) -> None:
    assert set(files(whole)) == {
        "r0.png",
        "r1.png",
        "r2.png",
        "r3.png",
        "r4-0.png",
        "r4-1.png",
        "five.jpg",
        "five.jpg.json",
    }
    with Ledger.read(whole) as ledger:
        for row in ledger.rows():
            for one in row.files:
                if not one.path.endswith(".json"):
                    recipe = read_metadata(whole / one.path)
                    assert recipe["request"] == row.key and recipe["seed"] == row.body["seed"]


def test_a_map_goes_into_results_where_that_is_asked(inputs: Path, tmp_path: Path, tiny_editor: Editor) -> None:
    attempt = Attempt(str(tmp_path), "token")
    fields = {"image": str(inputs / "p0.png"), "change_map": str(inputs / "m.png"), "seed": 1}
    quick = {"method": "differential-diffusion", "parameters": {"num_inference_steps": 2}}
    for asked in (False, True):
        request = Request.model_validate({**fields, **quick, "map_inside": asked})
        attempt._editors[request.model.model_dump_json()] = tiny_editor
        payload = {"request": request.model_dump(mode="json"), "output": f"{asked}.png"}
        (file,) = attempt.make(payload, lambda *_, **__: None, lambda: False)["files"]
        with Image.open(tmp_path / file["temporary"]) as made:
            assert (MAP_KEY in made.info) is asked


def test_results_are_those_of_the_bare_editor(inputs: Path, whole: Path, tiny_editor: Editor) -> None:
    recipe = read_metadata(whole / "r1.png")
    method = DifferentialDiffusion(prompt="number 1", change_map=inputs / "m.png", num_inference_steps=2)
    bare = tiny_editor.edit(inputs / "p1.png", method, seed=recipe["seed"])
    with Image.open(whole / "r1.png") as made:
        assert np.array_equal(np.asarray(made), np.asarray(bare.image))


def test_three_workers_any_order_and_a_resume_give_the_same_files(inputs: Path, whole: Path, tmp_path: Path) -> None:
    results, code = run(inputs, tmp_path, order="shuffle", rules=Rules(first=2))
    assert len(results) == 2 and code == 1
    there = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("[rf]*")}
    results, code = run(inputs, tmp_path, workers=3, order="shuffle")
    assert code == 0 and sum(one.kept for one in results) == 2 and len(results) == COUNT
    assert all((tmp_path / name).stat().st_mtime_ns == time for name, time in there.items())
    assert files(tmp_path) == files(whole)


def test_what_changed_is_made_again_and_nothing_else(inputs: Path, whole: Path, tmp_path: Path) -> None:
    expected, folder, own_inputs = files(whole), tmp_path / "out", tmp_path / "in"
    shutil.copytree(inputs, own_inputs)
    shutil.copytree(whole, folder)
    (folder / ".scumble" / "ledger.sqlite").unlink()  # and everything is found again from the pictures
    results, code = run(own_inputs, folder)
    assert code == 0 and all(one.kept for one in results)
    os.utime(own_inputs / "m.png")  # touched, the same content
    (folder / "r1.png").unlink()
    Image.new("RGB", (64, 64)).save(folder / "r2.png")  # somebody painted over it
    Image.new("RGB", (64, 64), (9, 8, 7)).save(own_inputs / "p0.png")  # the input of r0 and r3
    results, code = run(own_inputs, folder)
    assert code == 0
    assert {one.id for one in results if not one.kept} == {"r0", "r1", "r2", "r3"}
    now = files(folder)
    assert {name for name in now if now[name] != expected[name]} == {"r0.png", "r3.png"}


def test_files_of_others_are_not_replaced_and_a_broken_picture_fails_alone(
    inputs: Path, whole: Path, tmp_path: Path
) -> None:
    folder, own_inputs = tmp_path / "out", tmp_path / "in"
    shutil.copytree(inputs, own_inputs)
    folder.mkdir()
    for name in files(whole):
        shutil.copy(whole / name, folder / name)
    write_list(own_inputs / "list.jsonl", prompt="something else")
    whole_picture = (inputs / "p0.png").read_bytes()
    (own_inputs / "cut.png").write_bytes(whole_picture[: len(whole_picture) // 2])  # its header is whole
    with (own_inputs / "list.jsonl").open("a") as more:
        more.write("\n" + json.dumps({"id": "cut", "image": "cut.png"}))
    results, code = run(own_inputs, folder)
    errors = {one.id: one.error for one in results if one.error}
    assert code == 1 and set(errors) == {"r0", "cut"}
    assert errors["r0"] == "r0.png is there and was not made by this request: --overwrite replaces it"
    assert errors["cut"] == "the picture cut.png cannot be read: image file is truncated"
    assert files(folder) == files(whole)


def test_finished_pictures_are_requests(inputs: Path, whole: Path, tmp_path: Path) -> None:
    pictures = [whole / "r4-1.png", whole / "r4-0.png", whole / "r3.png"]
    with scumble.batch(pictures, tmp_path, workers=1, inputs=inputs, defaults={"model": TINY}) as results:
        outcomes = {one.id: one for one in results}
    assert {one.state for one in outcomes.values()} == {"done"} and len(outcomes) == 2
    again = [path for one in outcomes.values() for path in one.files]
    pixels = [np.asarray(Image.open(path)) for path in again]
    before = [np.asarray(Image.open(whole / name)) for name in ("r4-0.png", "r4-1.png", "r3.png")]
    assert all(np.array_equal(a, b) for a, b in zip(pixels, before, strict=True))


def test_a_folder_of_another_list_is_refused(inputs: Path, whole: Path, tmp_path: Path) -> None:
    other = inputs / "other.jsonl"
    other.write_text(json.dumps({"id": "z", "image": "p0.png", "model": TINY}), encoding="utf-8")
    with pytest.raises(InputError, match=r"holds the results of another list \(list.jsonl, 6 requests\)"):
        run(inputs, whole, "other.jsonl")


def command(words: list[str]) -> int:
    try:
        main(["batch", *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_bad_list_is_refused_whole_with_line_numbers_and_nothing_is_written(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = inputs / "bad.jsonl"
    lines = [{"image": "p0.png"}, {"image": "p9.png"}, {"image": "p1.png", "strenght": 1}]
    bad.write_text("\n".join(json.dumps(one) for one in lines), encoding="utf-8")
    assert command([str(bad), "-o", str(tmp_path / "out")]) == 2
    errors = capsys.readouterr().err
    assert "bad.jsonl:2: image: 'p9.png' does not exist" in errors and "bad.jsonl:3: unknown field 'strenght'" in errors
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_there_is_and_makes_nothing_on_a_dry_run(
    inputs: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        command([str(inputs / "list.jsonl"), "-o", str(tmp_path / "out"), "--dry-run", "--json", "--workers", "1"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["requests"], told["pictures"], told["kinds"]) == (COUNT, COUNT + 1, 2) and told["bytes"] > 0
    with Ledger.read(whole) as ledger:  # what it says is what was counted when the list was made
        assert told["forward"] == sum(row.forward or 0 for row in ledger.rows())
    assert not (tmp_path / "out").exists()


def test_a_list_comes_through_a_pipe(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["-", "-o", str(tmp_path / "out"), "--dry-run", "--json"]
    for more, expected in (([], "needs --relative-to"), (["--relative-to", str(inputs)], "")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((inputs / "list.jsonl").read_bytes())))
        assert command([*words, *more]) == (2 if expected else 0)
        told = capsys.readouterr()
        assert expected in told.out
    assert json.loads(told.out)["requests"] == COUNT
    assert command([str(inputs / "list.jsonl"), "-o", "-"]) == 2
    assert "not to stdout" in capsys.readouterr().err


def test_a_model_that_is_not_there_ends_with_3_and_everything_queued(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        str(inputs / "list.jsonl"),
        "-o",
        str(tmp_path),
        "--set",
        "model=no-such-model",
        "--json",
        "--workers",
        "1",
    ]
    assert command(words) == 3
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["code"] == 3 and last["queued"] == COUNT and "no-such-model" in last["reason"]


def test_status_and_report_say_what_became_of_all(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["batch", "--status", str(whole), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["done"] == COUNT and told["driver"] is None
    main(["batch", "--report", str(whole), "-o", str(tmp_path)])
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert f" runs: {COUNT} done." in (tmp_path / "report.md").read_text()
    table = (tmp_path / "results.csv").read_text().splitlines()
    assert len(table) == COUNT + 1 and table[1].startswith("r0,2,done,made,r0.png,differential-diffusion,")
    assert (tmp_path / "failures.csv").read_text().splitlines()[1:] == []
    with Image.open(tmp_path / "sheet-1.png") as sheet:
        assert sheet.width > 9 * 160


def test_status_needs_no_torch(whole: Path) -> None:
    code = f"from scumble.cli import main; main(['batch', '--status', {str(whole)!r}])"
    look = "import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", f"{code}; {look}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def started(inputs: Path, folder: Path, steps: int) -> subprocess.Popen[str]:
    words = ["batch", str(inputs / "list.jsonl"), "-o", str(folder), "--json", "--workers", "1"]
    words += ["--set", f"num_inference_steps={steps}"]
    return subprocess.Popen(
        [sys.executable, "-c", f"from scumble.cli import main; main({words!r})"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def group(number: int) -> list[str]:
    """The living processes of a group."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, _, its_group = rest.split()[:3]
        if its_group == str(number) and state != "Z":
            members.append(name)
    return members


@pytest.mark.parametrize("times", [1, 2])
def test_interrupting_once_finishes_and_twice_stops(inputs: Path, tmp_path: Path, times: int) -> None:
    process = started(inputs, tmp_path, steps=20)
    for event in events(process):
        if event["event"] == "done":
            break
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors
    assert "finishing 1; once more stops now" in errors
    until = time.monotonic() + 30
    while left := group(process.pid):  # nobody of its group stays
        assert time.monotonic() < until, left
        time.sleep(0.01)
    with Ledger.read(tmp_path) as ledger:
        counts = ledger.counts()
        assert all(row.interruptions == 0 for row in ledger.rows())
    assert counts["running"] == 0 and counts["done"] >= 1 and counts["done"] < COUNT
    if times == 1:
        assert counts["interrupted"] == 0
    assert not list(tmp_path.glob(".*.tmp*"))


def test_kills_of_worker_and_driver_leave_the_very_files_of_an_undisturbed_run(
    inputs: Path, whole: Path, tmp_path: Path
) -> None:
    for whom in ("driver", "worker"):
        process = started(inputs, tmp_path, steps=2)
        for event in events(process):
            if event["event"] == "done" and not event["kept"]:
                if whom == "driver":
                    process.kill()
                    break
                if whom == "worker":
                    worker = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                    os.kill(int(worker[-1]), signal.SIGKILL)
                whom = "nobody"
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert files(tmp_path) == files(whole)


def test_results_go_to_an_address_and_are_found_there_again(
    inputs: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    address = f"file://{tmp_path / 'far' / 'out'}"
    results, code = run(inputs, address, rules=Rules(first=5))
    assert code == 1 and all(str(file).startswith(address) for one in results for file in one.files)
    shutil.rmtree(tmp_path / "state")  # the ledger is lost with its machine
    results, code = run(inputs, address)
    assert code == 0 and sum(one.kept for one in results) == 5
    assert files(tmp_path / "far" / "out") == files(whole)


def test_a_group_gives_the_same_pictures_within_a_level_says_so_and_is_repeated_to_the_byte(
    inputs: Path, whole: Path, tmp_path: Path, tiny_editor: Editor
) -> None:
    with Batch(inputs / "list.jsonl", tmp_path, workers=1, group=3) as results:
        assert [one.state for one in results] == ["done"] * COUNT and results.exit_code() == 0
        assert results.remarks == ["1 of 6 requests are made one by one: candidates of one request share calls anyway"]
    shared = {}
    for name in ("r0.png", "r1.png", "r2.png", "r3.png", "r4-0.png"):
        made, alone = (np.asarray(Image.open(folder / name), np.int16) for folder in (tmp_path, whole))
        assert np.abs(made - alone).max() <= 1
        shared[name] = read_metadata(tmp_path / name)["group"]
        assert read_metadata(whole / name)["group"] == []
        assert read_metadata(tmp_path / name)["request"] == read_metadata(whole / name)["request"]
        again = scumble.redo(tmp_path / name, inputs=[inputs], editor=tiny_editor)
        assert again.largest == 0 and not again.warnings
    assert shared["r1.png"] == [[2, 4, 0]] and not shared["r4-0.png"]
    assert (tmp_path / "r4-0.png").read_bytes() == (whole / "r4-0.png").read_bytes()


def test_methods_that_look_inside_are_made_one_by_one_and_that_is_said(inputs: Path, tmp_path: Path) -> None:
    lines = [{"image": f"p{k}.png", "method": "prompt-to-prompt", "source_prompt": "a", "prompt": "b",
              "num_inference_steps": 1, "model": TINY} for k in range(2)]  # fmt: skip
    (inputs / "inside.jsonl").write_text("\n".join(json.dumps(one) for one in lines))
    with Batch(inputs / "inside.jsonl", tmp_path, workers=1, group=2) as results:
        assert results.remarks == ["2 of 2 requests are made one by one: prompt-to-prompt looks inside the network"]
        assert [one.state for one in results] == ["done"] * 2
