"""Edits on their way: cost before, progress, stops, restarts, several tabs, and faults in their own words."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import PATIENCE, Server, Studio


def ready(studio: Studio, steps: str = "4", count: str = "1") -> Studio:
    studio.stroke((100, 120), (180, 160)).words("a red cube on sand")
    studio.number("Steps", steps).number("Candidates", count)
    studio.page.locator(".stage").focus()
    return studio.wait(settled="yes", plan="ok", model="ready")


def test_the_cost_stands_there_before_and_is_what_was_counted_afterwards(studio: Studio) -> None:
    ready(studio, "6").until("studio.server.plan.value.rows !== null || (studio.doc.changedDocument(), false)")
    plan = studio.js("studio.server.plan.value")
    assert (
        "rows" in studio.page.get_by_test_id("cost").inner_text() and "MB" in studio.page.locator(".cost").inner_text()
    )
    assert plan["bytes"] > 50e6  # what the libraries take in any case
    result = studio.edit().result()
    assert plan["rows"] == [result["forward"] + result["backward"]] * 2
    assert plan["calls"] == [result["calls"]] * 2
    assert str(result["calls"]) in studio.page.get_by_test_id("counted").inner_text()
    studio.until(f"studio.server.plan.value?.bytes === {plan['bytes']} || (studio.doc.changedDocument(), false)")


def test_an_empty_map_costs_nothing_and_says_so(studio: Studio) -> None:
    studio.words("a red cube").wait(settled="yes", model="ready")
    studio.until("studio.server.plan.value.rows?.[1] === 0 || (studio.doc.changedDocument(), false)")
    assert "0 network calls" in studio.page.locator(".cost").inner_text()


@pytest.mark.parametrize(("value", "part"), [("120", "100"), ("-3", "0"), ("many", "number")])
def test_a_value_that_does_not_fit_gets_the_sentence_of_the_command_line_and_nothing_is_queued(
    studio: Studio, still_life: Path, value: str, part: str
) -> None:
    before = studio.js("studio.server.jobs.value.size")
    ready(studio)
    studio.number("Guidance", value).wait(state="error", settled="yes")
    field = studio.page.get_by_role("textbox", name="Guidance", exact=True)
    assert field.get_attribute("aria-invalid") == "true"
    sentence = studio.page.locator(".fault").inner_text().strip()
    assert part in sentence
    assert studio.page.get_by_role("button", name=re.compile("^Edit")).is_disabled()
    studio.page.keyboard.press("Control+Enter")
    assert studio.js("studio.server.jobs.value.size") == before
    if value != "many":
        code = "from scumble.cli import main; main()"
        words = ["edit", str(still_life), f"--guidance-scale={float(value)}", "--seed", "1"]
        said = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True).stderr
        assert sentence in " ".join(said.split())


def test_stop_stops_within_a_step_and_the_next_job_runs(studio: Studio, server: Server) -> None:
    ready(studio, "400").edit()
    studio.until("studio.server.working.value.some(job => job.stage === 'sample' && job.step >= 2)")
    studio.page.locator(".stage").focus()
    studio.page.keyboard.press("Escape")
    studio.until("[...studio.server.jobs.value.values()].filter(job => job.edit === studio.doc.edit.value)"
                 ".every(job => job.state === 'cancelled')")  # fmt: skip
    assert studio.js("studio.server.model.value.state") == "ready"
    assert not list(server.folder.glob(".*tmp*"))
    studio.number("Steps", "3").settle().edit()
    assert studio.result()["proof"]["changed"] == 0


def test_stop_now_ends_the_process_while_the_model_loads_and_the_next_edit_works(
    own_server: Callable[..., Server], tab: Callable[..., Studio], still_life: Path
) -> None:
    server = own_server(still_life)
    server.start()
    studio = tab(server).wait(state="painting")
    studio.stroke((100, 120), (180, 160)).words("a red cube").number("Steps", "3")
    studio.number("Candidates", "1").settle()
    studio.page.get_by_role("button", name=re.compile("^Edit")).click()
    studio.until("studio.server.jobs.value.size > 0")
    if studio.js("studio.server.model.value.state") != "ready":
        now = studio.page.get_by_role("button", name=re.compile("^Stop now"))
        if now.count():
            now.click()
    studio.until("[...studio.server.jobs.value.values()].every(job => "
                 "['cancelled', 'done'].includes(job.state))")  # fmt: skip
    studio.wait(model="ready")
    studio.edit()
    assert studio.result()["proof"]["changed"] == 0
    assert not list(server.folder.glob(".*tmp*"))


def test_reload_in_the_middle_brings_everything_back_and_the_result_arrives(studio: Studio) -> None:
    ready(studio, "100").edit()
    studio.until("studio.server.working.value.some(job => job.step >= 1)")
    before, name = studio.map_hash(), studio.js("studio.doc.picture.value.name")
    studio.page.reload()
    studio.wait(state="running")
    assert studio.map_hash() == before
    assert studio.js("studio.doc.picture.value.name") == name
    assert studio.page.get_by_role("textbox", name="Words", exact=True).input_value() == "a red cube on sand"
    assert studio.page.get_by_role("progressbar").count() == 1
    assert studio.result()["proof"]["changed"] == 0


def test_a_killed_server_leaves_two_waiting_one_interrupted_and_a_paused_queue(
    own_server: Callable[..., Server], tab: Callable[..., Studio], still_life: Path
) -> None:
    server = own_server(still_life)
    server.start()
    studio = ready(tab(server), "900", "3")
    studio.edit()
    studio.until("studio.server.working.value.some(job => job.step >= 1)")
    server.kill()
    studio.wait(connected="no")
    studio.page.get_by_text("The studio does not answer").wait_for()
    with studio.page.expect_download() as saved:  # made in the page, from the very strengths
        studio.page.get_by_role("button", name="Save the map").click()
    assert (np.asarray(Image.open(saved.value.path())) == studio.map_bytes()).all()
    server.start()
    again = tab(server).wait(state="painting")
    states = again.until("[...studio.server.jobs.value.values()].map(job => job.state).sort().join()")
    assert states == "interrupted,queued,queued"
    assert again.js("studio.server.queue.value.paused")
    assert "interrupted" in again.js("studio.server.queue.value.reason")
    again.page.get_by_text("interrupted").first.wait_for()
    again.page.get_by_role("button", name="2 waiting").click()
    again.page.get_by_role("button", name="Empty it").click()
    again.until("![...studio.server.jobs.value.values()].some(job => job.state === 'queued')")
    again.page.get_by_role("button", name="Close").click()
    again.page.get_by_role("button", name="Go on").first.or_(again.page.locator(".stage")).first.wait_for()


def test_a_worker_that_dies_has_its_sentence_and_the_studio_goes_on(
    own_server: Callable[..., Server], tab: Callable[..., Studio], still_life: Path
) -> None:
    import psutil

    server = own_server(still_life)
    server.start()
    studio = ready(tab(server), "900")
    studio.edit()
    studio.until("studio.server.working.value.some(job => job.step >= 1)")
    assert server.process is not None
    workers = [one for one in psutil.Process(server.process.pid).children() if one.memory_info().rss > 3e8]
    max(workers, key=lambda one: one.cpu_times().user).kill()
    studio.until("[...studio.server.jobs.value.values()].some(job => job.error || job.state !== 'running')")
    studio.wait(model="ready")


def test_progress_reaches_two_tabs_and_an_old_draft_is_asked_about(
    tab: Callable[..., Studio], studio: Studio, server: Server
) -> None:
    other = tab(server)
    ready(studio, "30").edit()
    for one in (studio, other):
        one.until("[...studio.server.jobs.value.values()].some(job => job.step > 0)")
    studio.result()
    other.stroke((20, 20), (40, 40))
    message = other.page.get_by_text("changed in another tab")
    message.wait_for()
    other.page.get_by_role("button", name="Take it").click()
    message.wait_for(state="detached")
    assert other.map_hash() == studio.map_hash()


def test_eight_tabs_do_not_hang(tab: Callable[..., Studio], studio: Studio, server: Server) -> None:
    context = studio.page.context
    tabs = [tab(server, context=context) for _ in range(5)]
    for one in tabs:
        one.page.evaluate("() => { Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
                          " document.dispatchEvent(new Event('visibilitychange')); }")  # fmt: skip
    more = [tab(server, context=context) for _ in range(2)]
    assert all(one.js("studio.server.loaded.value") for one in more)


def test_going_on_painting_while_candidates_come_one_by_one(studio: Studio) -> None:
    ready(studio, "12", "4").edit()
    studio.until("[...studio.server.results.value.values()].filter(one => one.edit === studio.doc.edit.value).length")
    before = studio.js("studio.doc.statistics.value.count")
    studio.stroke((20, 200), (60, 220))
    assert studio.js("studio.doc.statistics.value.count") > before
    studio.result()
    cards = studio.page.get_by_role("listbox", name="Candidates").get_by_role("option")
    assert cards.count() == 4
    studio.page.locator(".stage").focus()
    seeds = []
    for key in "1234":
        studio.page.keyboard.press(key)
        seeds.append(studio.js("studio.server.results.value.get(studio.view.selected.value).seed"))
    assert seeds == [42, 43, 44, 45]
    shown = studio.page.locator(".easel img.over")
    assert shown.count() == 1
    studio.page.keyboard.down("\\")
    shown.wait_for(state="detached")
    studio.page.keyboard.up("\\")
    shown.wait_for()


def test_ctrl_c_ends_everything_with_a_tab_open(
    own_server: Callable[..., Server], tab: Callable[..., Studio], still_life: Path
) -> None:
    import psutil

    server = own_server(still_life)
    server.start()
    studio = tab(server).wait(state="painting")
    assert server.process is not None
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert server.stop() == 0
    _, alive = psutil.wait_procs(children, timeout=PATIENCE / 1000)
    assert not alive
    studio.wait(connected="no")
    studio.stroke((30, 30), (60, 60))
    assert studio.value(45, 45) > 0
