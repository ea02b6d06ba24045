"""A studio of its own process and a real browser for tests; everything waits for what the page says of its state."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PATIENCE = int(os.environ.get("SCUMBLE_PATIENCE", "120")) * 1000
"""Milliseconds: tests wait for states, this long at most, because machines are busy."""
STEPS = 4


def browser_path() -> str | None:
    """Where chromium is, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here, and skip them with the reason where there is no browser."""
    reason = None if browser_path() else "chromium is not installed (apt-get install chromium)"
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


class Server:
    """``scumble studio`` in a process of its own."""

    def __init__(
        self, folder: Path, picture: Path | None = None, more: Sequence[str] = (), cwd: Path | None = None
    ) -> None:
        self.folder, self.picture, self.more, self.cwd = folder, picture, more, cwd
        self.process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> str:
        """Start it; returns the address that it prints."""
        words = [sys.executable, "-c", "from scumble.cli import main; main()", "studio"]
        words += [] if self.picture is None else [str(self.picture)]
        words += ["--folder", str(self.folder), "--no-browser", *self.more]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, cwd=self.cwd)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.match(r"Scumble Studio: (\S+)", line):
                self.address = found[1]
                break
        assert self.address, "the studio printed no address"
        return self.address

    @property
    def base(self) -> str:
        """Address without the token."""
        return self.address.partition("?")[0]

    @property
    def token(self) -> str:
        """The run's secret."""
        return self.address.partition("token=")[2]

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
            if self.process.poll() is None:
                self.process.kill()
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


class Studio:
    """The page as a person has it, with names for what a person does."""

    def __init__(self, page: Any, server: Server) -> None:
        self.page, self.server = page, server
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self.requests.append(request.url))

    def visit(self) -> Studio:
        """Go to the page by the address with the token."""
        self.page.goto(self.server.address)
        self.page.wait_for_selector(".house:not([data-state=loading])")
        return self

    def wait(self, **state: str) -> Studio:
        """Wait until the root of the page says so: ``wait(state="comparing", settled="yes")``."""
        self.page.wait_for_selector(".house" + "".join(f"[data-{name}={value}]" for name, value in state.items()))
        return self

    def until(self, expression: str) -> Any:
        """Wait until an expression of the page is true; returns it."""
        return self.page.wait_for_function(f"() => {expression}").json_value()

    def js(self, expression: str) -> Any:
        """Value of an expression in the page."""
        return self.page.evaluate(f"() => {expression}")

    def open(self, path: Path) -> Studio:
        """Open a picture by the file dialog."""
        before = self.js("studio.doc.picture.value?.id ?? ''")
        self.page.locator("input[type=file]").first.set_input_files(str(path))
        self.until(f"studio.doc.loading.value === null && (studio.doc.picture.value?.id ?? '') !== '{before}' || "
                   "studio.doc.notice.value?.kind === 'fault'")  # fmt: skip
        return self.fitted()

    def fitted(self) -> Studio:
        """Wait until the picture lies on the stage as the page says."""
        self.until("(stage => Number(stage.dataset.scale) === studio.view.viewport.value.scale && "
                   "Number(stage.dataset.x) === studio.view.viewport.value.x && (!studio.doc.picture.value || "
                   "!!studio.view.stageSize.value.width))(document.querySelector('.stage'))")  # fmt: skip
        return self

    def fresh(self, path: Path) -> Studio:
        """Begin with a picture, an empty map, the usual values, and nothing in the queue."""
        self.page.evaluate("() => fetch('api/jobs/cancel', {method: 'POST', headers: {'X-Scumble': '1'}, body: '{}'})")
        self.until("!studio.server.working.value.length && !studio.server.waiting.value.length")
        self.js("(studio.doc.picture.value = null, studio.doc.values.value = {}, studio.doc.seed.value = 42, "
                "studio.doc.count.value = 1, studio.doc.method.value = 'differential-diffusion', "
                "studio.view.tool.value = 'brush', studio.view.selected.value = null, studio.view.dialog.value = null, "
                "studio.view.strength.value = 0.8, studio.view.hardness.value = 0.5, studio.view.size.value = 0.17, "
                "studio.view.overlay.value = true, studio.view.compare.value = 'slider', null)")  # fmt: skip
        self.open(path)
        return self.wait(settled="yes")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Screen position of a place in the picture."""
        stage = self.page.locator(".stage")
        box = stage.bounding_box()
        scale, left, top = (float(stage.get_attribute(f"data-{name}")) for name in ("scale", "x", "y"))
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def stroke(self, *places: tuple[float, float], parts: int = 12) -> Studio:
        """Paint through places of the picture with the mouse."""
        mouse = self.fitted().page.mouse
        mouse.move(*self.at(*places[0]))
        mouse.down()
        for x, y in places[1:]:
            mouse.move(*self.at(x, y), steps=parts)
        mouse.up()
        return self

    def strength(self, value: float) -> Studio:
        """Set the strength of the brush by its slider."""
        self.page.get_by_label("Strength", exact=False).locator("visible=true").first.wait_for()
        self.js(f"(studio.view.strength.value = {value}, null)")
        return self

    def value(self, x: int, y: int) -> float:
        """Strength of a pixel of the map."""
        return float(self.js(f"studio.doc.map.value.at({x}, {y})")) / 255

    def map_bytes(self) -> np.ndarray[Any, Any]:
        """The map as the page has it (H, W)."""
        size = self.js("[studio.doc.map.value.width, studio.doc.map.value.height]")
        text = self.page.evaluate(
            "() => { let t = ''; const d = studio.doc.map.value.data;"
            " for (let k = 0; k < d.length; k += 32768) t += String.fromCharCode(...d.subarray(k, k + 32768));"
            " return btoa(t); }"
        )
        import base64

        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(size[1], size[0])

    def map_hash(self) -> str:
        """Hash of the map's bytes in the page."""
        return hashlib.sha256(self.map_bytes().tobytes()).hexdigest()

    def words(self, text: str) -> Studio:
        """Type what the picture shall show."""
        self.page.get_by_role("textbox", name="Words", exact=True).fill(text)
        return self

    def number(self, label: str, value: str) -> Studio:
        """Type a number into a field of the panel."""
        self.page.get_by_role("textbox", name=label, exact=True).fill(value)
        return self

    def settle(self) -> Studio:
        """Wait until the server has everything and has told the cost."""
        return self.wait(settled="yes")

    def edit(self) -> Studio:
        """Press the button."""
        self.settle()
        self.page.get_by_role("button", name=re.compile("^Edit")).click()
        return self

    def result(self) -> dict[str, Any]:
        """Wait for the result that is shown, for as long as its edit gets on, and return what the page knows of it."""
        from playwright.sync_api import TimeoutError as Late

        at = None
        while True:
            try:
                self.wait(state="comparing")
                return dict(self.until("studio.server.results.value.get(studio.view.selected.value)"))
            except Late:
                before, at = at, self.js("studio.server.working.value.map(job => [job.id, job.stage, job.step])")
                assert at != before, self.js(
                    "JSON.stringify([document.querySelector('.house').dataset, studio.doc.edit.value, "
                    "studio.view.awaited.value, studio.view.selected.value, studio.doc.notice.value, "
                    "[...studio.server.jobs.value.values()].slice(-3)])"
                )


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One chromium for all tests of this process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a still life of the bundled world, 256 px."""
    folder = tmp_path_factory.mktemp("pictures")
    from scumble.cli.world_commands import render_pictures

    render_pictures(folder, count=1, seed=45, size=256, truths=False)
    (folder / "000045.png").rename(folder / "still-life.png")
    return folder


@pytest.fixture(scope="session")
def still_life(pictures: Path) -> Path:
    return pictures / "still-life.png"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, still_life: Path) -> Iterator[Server]:
    """A studio that many tests share."""
    one = Server(tmp_path_factory.mktemp("studio") / "scumble", still_life)
    one.start()
    yield one
    one.close()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes studios that a test has for itself."""
    made: list[Server] = []

    def make(picture: Path | None = None, *more: str, folder: Path | None = None) -> Server:
        one = Server(folder or tmp_path / "scumble", picture, more)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def tab(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Studio]]:
    """Opens pages; a picture of each is kept when the test fails."""
    contexts: list[Any] = []

    def open_(server: Server, width: int = 1440, height: int = 900, context: Any = None, **options: Any) -> Studio:
        if context is None:
            context = browser.new_context(
                viewport={"width": width, "height": height}, accept_downloads=True, color_scheme="dark", **options
            )
            contexts.append(context)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        studio = Studio(page, server).visit()
        studio.faults = faults  # type: ignore[attr-defined]
        return studio

    yield open_
    failed = getattr(request.node, "failed", False)
    for context in contexts:
        if failed and os.environ.get("SCUMBLE_SHOTS"):
            for k, page in enumerate(context.pages):
                page.screenshot(path=f"{os.environ['SCUMBLE_SHOTS']}/{request.node.name}-{k}.png")
        context.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    outcome: Any = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed  # type: ignore[attr-defined]


@pytest.fixture
def studio(tab: Callable[..., Studio], server: Server, still_life: Path) -> Studio:
    """The shared studio with a still life, an empty map and usual values."""
    return tab(server).fresh(still_life)


def soft_disc(size: int = 256) -> np.ndarray[Any, Any]:
    """A disc that fades, as an import would bring it."""
    rows, columns = np.indices((size, size))
    distance = np.hypot(rows - size / 2, columns - size / 2) / (size / 3)
    return (255 * np.clip(1.4 - distance, 0, 1)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def disc_png(tmp_path: Path) -> Path:
    path = tmp_path / "disc.png"
    Image.fromarray(soft_disc()).save(path)
    return path
