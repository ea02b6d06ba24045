"""What is kept beside pictures: inversions to start from, other models, chains of edits, and results side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.browser.conftest import Server, Studio
from tests.browser.test_journey import run


def method(studio: Studio, name: str) -> Studio:
    """Choose a method by its card."""
    studio.page.get_by_role("button", name=re.compile("^Repaint by strength")).click()
    studio.page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{name}")).click()
    return studio.settle()


def test_an_inversion_is_kept_named_and_started_from(studio: Studio, server: Server) -> None:
    page = studio.wait(model="ready").page
    method(studio, "Other words, same picture").words("a blue cube on sand").number("Steps", "6")
    studio.number("Candidates", "1").settle()
    studio.until("studio.server.plan.value.rows || (studio.doc.changedDocument(), false)")
    before = studio.js("studio.server.plan.value.rows[0]")
    page.get_by_role("button", name="Keep it").click()
    studio.until("studio.doc.inversion.value !== null")
    studio.settle()
    studio.until(f"studio.server.plan.value.rows?.[0] < {before} || (studio.doc.changedDocument(), false)")
    page.get_by_role("button", name="The inversion shelf").click()
    name = page.get_by_role("textbox", name=re.compile("^Name of the inversion"))
    name.fill("the cube, exactly")
    name.press("Tab")
    studio.until("studio.server.inversions.value.some(one => one.name === 'the cube, exactly')")
    page.get_by_role("button", name="Close", exact=True).click()
    studio.edit()
    result = studio.result()
    assert "--inversion" in result["command"]
    planned = studio.js("studio.server.plan.value.rows[0]")
    assert result["forward"] + result["backward"] == planned
    assert len(list((server.folder / ".scumble" / "inversions").glob("*.safetensors"))) == 1


def test_another_model_is_loaded_from_the_page_and_makes_the_next_edit(
    own_server: Callable[..., Server], tab: Callable[..., Studio], still_life: Path
) -> None:
    server = own_server(still_life)
    server.start()
    studio = tab(server).wait(model="ready")
    studio.page.get_by_label("Model").select_option("still-life-fast")
    studio.until("studio.server.model.value.name === 'still-life-fast' && studio.server.model.value.state === 'ready'")
    studio.stroke((100, 120), (180, 160)).words("a red cube").number("Candidates", "1").edit()
    result = studio.result()
    assert "--model still-life-fast" in result["command"]
    assert result["proof"]["changed"] == 0
    refused = studio.js("fetch('api/model', {method: 'POST', headers: {'X-Scumble': '1'},"
                        " body: JSON.stringify({name: '/etc/passwd'})}).then(answer => answer.text())")  # fmt: skip
    assert "no model" in refused


def test_two_results_are_told_apart_by_recipe_and_pixels_and_the_chain_stands_in_the_history(studio: Studio) -> None:
    page = studio.page
    studio.stroke((100, 120), (180, 160)).words("a red cube").number("Steps", "2").number("Candidates", "2").edit()
    studio.result()
    page.get_by_role("button", name=re.compile("^scumble edit")).click()
    page.get_by_label("The other result").select_option(index=1)
    row = page.get_by_role("row", name=re.compile("^seed"))
    row.wait_for()
    assert "42" in row.inner_text() and "43" in row.inner_text()
    page.get_by_text("of the pixels differ").wait_for()
    page.get_by_role("button", name="Close", exact=True).click()
    first = studio.js("studio.doc.picture.value.id")
    page.get_by_role("button", name="Keep and go on").click()
    studio.until(f"studio.doc.picture.value.id !== '{first}'")
    studio.stroke((60, 60), (90, 60)).words("a cloud").number("Steps", "2").number("Candidates", "1").edit()
    second = studio.result()
    recipe = studio.js(f"fetch('api/results/{second['id']}/recipe').then(answer => answer.json())")
    source = studio.js(f"fetch('api/pictures/{second['picture']}/about').then(answer => answer.json())")
    assert recipe["parent"] == recipe["input"]["sha256"] == source["pixels"]
    page.get_by_role("button", name="History of all results").click()
    drawn = page.locator(".drawn .card")
    assert drawn.evaluate_all("cards => cards.slice(0, 2).map(card => card.getAttribute('aria-current'))") == [
        "false", "true",
    ]  # fmt: skip
    assert page.locator(".drawn").first.locator("path").count() == 1
    newest = page.locator(".past").first
    assert newest.get_by_role("button", name="The picture 1 edits before").count() == 1
    newest.get_by_role("button", name="The picture 1 edits before").click()
    studio.until(f"studio.doc.picture.value.id === '{first}'")


def test_a_picture_for_a_field_is_sent_and_named_by_its_hash(studio: Studio, tmp_path: Path) -> None:
    target = tmp_path / "target.png"
    Image.new("RGB", (64, 64), (200, 80, 40)).save(target)
    method(studio, "Another look, same structure")
    studio.page.get_by_role("button", name=re.compile("^All settings")).click()
    studio.page.get_by_role("dialog").get_by_label("Target image").set_input_files(str(target))
    studio.until("studio.doc.files.value.target_image?.name === 'target.png'")
    studio.settle()
    assert "--target-image" in studio.js("studio.server.plan.value.command")
    studio.page.get_by_role("button", name="Target image: take the file away").click()
    studio.settle()
    assert "--target-image" not in studio.js("studio.server.plan.value.command")


def test_a_lost_database_comes_back_from_the_pictures(
    own_server: Callable[..., Server], tab: Callable[..., Studio], still_life: Path
) -> None:
    server = own_server(still_life)
    server.start()
    studio = tab(server).wait(model="ready")
    first = studio.js("studio.doc.picture.value.id")
    studio.stroke((100, 120), (180, 160)).words("a red cube").number("Steps", "2").number("Candidates", "2").edit()
    one = studio.result()
    studio.page.get_by_role("button", name="Keep and go on").click()
    studio.until(f"studio.doc.picture.value.id !== '{first}'")
    studio.stroke((60, 60), (90, 60)).words("a cloud").number("Steps", "2").number("Candidates", "1").edit()
    two = studio.result()
    server.stop()
    for file in (server.folder / ".scumble").glob("ledger.sqlite*"):
        file.unlink()
    server.more = ("--rescan",)
    server.start()
    again = tab(server)
    again.page.get_by_text("The folder was read anew: 3 results found.").wait_for()
    found = {file["file"]: file for file in again.js("[...studio.server.results.value.values()]")}
    for before in (one, two):
        after = found[before["file"]]
        for name in ("method", "prompt", "seed", "k", "picture", "map", "proof", "command", "width", "height"):
            assert after[name] == before[name], name
    assert found[one["file"]]["kept"] == two["picture"]
    again.page.get_by_role("button", name="History of all results").click()
    assert again.page.locator(".drawn .card").count() == 2  # the first picture, and the one that was kept
    again.page.get_by_role("button", name="bring everything back").first.click()
    again.until(f"studio.doc.picture.value?.id === '{two['picture']}' && studio.doc.mapId.value === '{two['map']}'")
    last = run(["redo", str(server.folder / two["file"]), "--chain"]).splitlines()[-1]
    assert last == "chain of 2: largest pixel difference: 0 of 255"
