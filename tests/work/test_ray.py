"""Ray for real: a cluster of two nodes on this machine, one of which is taken away in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.editing.editor import Editor
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.work.commit import clear_temporaries
from scumble.work.driver import Driver, Rules
from scumble.work.ledger import Entry, Ledger
from tests.work.toys import content

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'scumble[ray]'")

COUNT = 40
STORE = 80 * 1024 * 1024
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors, so that nothing runs on it, and two nodes with one each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def nodes(cluster: Any) -> Any:
    """The cluster, with two nodes again."""
    while len(cluster.worker_nodes) < 2:
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    cluster.wait_for_nodes()
    return cluster


def entries(count: int, **trouble: str) -> list[Entry]:
    return [
        Entry(
            id=f"r{k:02d}",
            line=f"{k:064x}",
            output=f"r{k:02d}.bin",
            body={"method": "toy", "seed": k, "parameters": {"trouble": trouble.get(f"r{k}"), "seconds": 0.05}},
        )
        for k in range(count)
    ]


def crew(folder: Path, **options: Any) -> Any:
    from scumble.work.ray import RayCrew

    given = {"folder": str(folder), **options.pop("job_options", {})}
    return RayCrew("tests.work.toys:Toy", given, gpus=0, **{"workers": 2, **options})


def check(folder: Path, count: int, without: tuple[int, ...] = ()) -> None:
    expected = {f"r{k:02d}.bin": content(k) for k in range(count) if k not in without}
    assert {path.name: path.read_bytes() for path in folder.glob("r*.bin")} == expected
    assert not list(folder.glob(".*.tmp*")) and not list((folder / ".scumble").glob("probe-*"))


def test_a_node_that_goes_in_the_middle_costs_no_result(nodes: Any, tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add(entries(COUNT))
        hands = crew(tmp_path)
        driver, finished = Driver(ledger, hands), []
        try:
            for row in driver.run():
                finished.append(row.id)
                if len(finished) == 10:
                    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
        finally:
            hands.close()
        assert sorted(finished) == [f"r{k:02d}" for k in range(COUNT)]
        rows = ledger.rows()
        assert {row.state for row in rows} == {"done"} and sum(row.faults for row in rows) == 0
        again = [row for row in rows if row.attempts > 1]
        assert 1 <= len(again) <= 4  # what the lost worker was at and had before it, two workers at most
        endings = [[one["outcome"] for one in ledger.attempts(row.number)] for row in rows]
        assert all(one.count("done") == 1 and one[-1] == "done" for one in endings)
    check(tmp_path, COUNT)


@pytest.mark.parametrize("trouble", ["raise", "exit", "spin"])
def test_trouble_of_one_request_is_its_own(nodes: Any, tmp_path: Path, trouble: str) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add(entries(8, r3=trouble))
        hands = crew(tmp_path)
        try:
            rows = list(Driver(ledger, hands, Rules(retries=0, time_limit=2.0)).run())
        finally:
            hands.close()
    expected = {"raise": "raised", "exit": "crashed", "spin": "timed-out"}[trouble]
    assert {row.id: row.reason for row in rows if row.state == "failed"} == {"r03": expected}
    check(tmp_path, 8, without=(3,))


def test_a_killed_driver_is_gone_on_with_and_nothing_is_made_twice(nodes: Any, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import ray; from tests.work import test_ray as t;"
        f"ray.init(address={nodes.address!r}, log_to_driver=False); t.drive(Path({str(tmp_path)!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), *sys.path])}
    before: dict[str, tuple[int, int]] = {}
    for stop in (8, 20, None):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert process.stdout is not None
        for number, _ in enumerate(process.stdout, 1):
            if number == stop:
                process.send_signal(signal.SIGKILL)
        assert (process.wait(60) == 0) is (stop is None)
        now = {one.name: (one.stat().st_ino, one.stat().st_mtime_ns) for one in tmp_path.glob("r*.bin")}
        assert {name: now.get(name) for name in before} == before
        before = now
    check(tmp_path, COUNT)


def drive(folder: Path) -> None:
    """One start of the batch in a process of its own: a line for each result."""
    with Ledger.open(folder, "a test") as ledger:
        ledger.resume_interrupted()
        ledger.add(entries(COUNT), whole=True)
        clear_temporaries([folder])  # as a batch does: a worker that was killed in a write leaves one
        hands = crew(folder)
        for row in Driver(ledger, hands).run():
            print(row.id, flush=True)
        hands.close()


def test_nodes_that_would_make_other_pictures_or_see_another_folder_are_refused(nodes: Any, tmp_path: Path) -> None:
    hands = crew(tmp_path)
    try:
        events = [event for _ in range(20) for event in hands.wait(1.0) if event.kind == "ready"]
        assert len(events) == 2
        hands._alike = {"torch": "another"}
        actor = next(iter(hands._actors.values()))
        hands._welcome(actor, {**events[0].data, "machine": "m"})
        (refused,) = hands.wait(0.1)
        assert refused.data["why"] == "node m has torch 1, the run another"
        other = next(iter(hands._actors.values()))
        other.probe, hands._alike = tmp_path / "elsewhere" / "probe", {}
        hands._welcome(other, {**events[0].data, "machine": "m"})
        (refused,) = hands.wait(0.1)
        assert refused.data["why"] == f"node m does not see {tmp_path}"
        assert hands.alive() == 0
    finally:
        hands.close()


def test_results_on_a_cluster_are_those_of_the_bare_editor(nodes: Any, tmp_path: Path, tiny_editor: Editor) -> None:
    model = str(Path(__file__).parents[1] / "reference" / "tiny-sd")
    method = TextToImage(prompt="a cube", num_inference_steps=2)
    request = {
        "id": "a",
        "method": "text-to-image",
        "prompt": "a cube",
        "num_inference_steps": 2,
        "model": model,
        "seed": 5,
    }
    with scumble.batch([request], tmp_path, ray={"address": nodes.address, "gpus": 0, "workers": 1}) as results:
        (one,) = results
    assert (one.state, one.error) == ("done", None)
    with Image.open(one.files[0]) as made:
        assert np.array_equal(np.asarray(made), np.asarray(tiny_editor.generate(method, seed=5).image))


def test_no_place_for_any_worker_ends_clearly_with_everything_queued(nodes: Any, tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add(entries(3))
        hands = crew(tmp_path, cpus=64, patience=0.0)
        driver = Driver(ledger, hands)
        try:
            assert list(driver.run()) == []
        finally:
            hands.close()
        assert driver.unloadable and driver.ended_by == "no worker is left" and ledger.counts()["queued"] == 3
