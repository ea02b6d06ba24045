"""The studio: how soon its page can be used, a move of a large brush on 12 megapixels, its memory, the live answer."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from PIL import Image
from tests.browser.conftest import Server, Studio, browser_path

STROKES = """() => { const stage = document.querySelector('.stage'); const times = [];
  const send = (type, x, y) => stage.dispatchEvent(new PointerEvent(type, {pointerId: 7, pointerType: 'mouse',
    bubbles: true, clientX: x, clientY: y, button: 0, buttons: 1, pressure: .5}));
  stage.setPointerCapture = () => undefined;
  const box = stage.getBoundingClientRect();
  for (let k = 0; k < 100; k++) { const x = box.x + 200 + (k * 37) % 600, y = box.y + 150 + (k * 53) % 350;
    send('pointerdown', x, y);
    for (let m = 1; m < 6; m++) { const at = performance.now(); send('pointermove', x + 12 * m, y + 6 * m);
      times.push(performance.now() - at); }
    send('pointerup', x + 60, y + 30); }
  delete stage.setPointerCapture;
  times.sort((a, b) => a - b); return [times[times.length >> 1], times[Math.floor(times.length * .95)]]; }"""

FRAMES = """async () => { const stage = document.querySelector('.stage'); const times = [];
  const frame = requestAnimationFrame;
  const send = (type, x, y) => stage.dispatchEvent(new PointerEvent(type, {pointerId: 7, pointerType: 'mouse',
    bubbles: true, clientX: x, clientY: y, button: 0, buttons: 1, pressure: .5}));
  stage.setPointerCapture = () => undefined;
  window.requestAnimationFrame = draw => frame(now => { const at = performance.now(); draw(now);
    times.push(performance.now() - at); });
  const box = stage.getBoundingClientRect();
  send('pointerdown', box.x + 200, box.y + 150);
  for (let k = 0; k < 100; k++) { send('pointermove', box.x + 200 + 5 * k, box.y + 150 + (k * 7) % 350);
    await new Promise(frame); }
  send('pointerup', box.x + 700, box.y + 300);
  window.requestAnimationFrame = frame; delete stage.setPointerCapture;
  times.sort((a, b) => a - b); return [times[times.length >> 1], times[Math.floor(times.length * .95)]]; }"""


def _megabytes(studio: Studio) -> float:
    """What the page holds after everything that can be let go of was."""
    session = studio.page.context.new_cdp_session(studio.page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    values = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    return float(values["JSHeapUsedSize"] + usage.get("backingStorageSize", 0)) / 1e6


def main() -> None:
    if browser_path() is None:
        print("chromium is not installed")
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        Image.new("RGB", (4000, 3000), (90, 110, 130)).save(folder / "large.png", compress_level=1)
        server = Server(folder / "scumble", folder / "large.png")
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        began = time.perf_counter()
        server.start()
        print(f"address printed {time.perf_counter() - began:.2f} s after the command")
        studio = Studio(page, server).visit()
        studio.wait(state="painting")
        print(f"page usable {time.perf_counter() - began:.2f} s after the command")
        studio.wait(model="ready")
        print(f"model ready {time.perf_counter() - began:.2f} s after the command")
        studio.fitted()
        for diameter in (60, 300, 800):
            studio.js(f"(studio.view.size.value = {diameter} / 4000)")
            median, slow = studio.page.evaluate(STROKES)
            print(f"12 MP, brush of {diameter} px: {median:.1f} ms a move, 95 % below {slow:.1f} ms")
        studio.js("(studio.view.size.value = 300 / 4000, studio.doc.clearMap(), null)")
        median, slow = studio.page.evaluate(FRAMES)
        print(f"drawing the map over it: {median:.1f} ms a frame, 95 % below {slow:.1f} ms")
        for strokes in range(0, 501, 100):
            if strokes:
                studio.page.evaluate(STROKES)
            print(f"after {strokes} strokes of 300 px: {_megabytes(studio):.0f} MB of JavaScript and buffers")
        _live(studio, folder)
        chromium.close()
        server.close()


def _live(studio: Studio, folder: Path) -> None:
    """Print what live mode takes from the end of a stroke to the picture of it."""
    Image.linear_gradient("L").convert("RGB").save(folder / "small.png")
    studio.open(folder / "small.png").words("a red cube on sand").number("Steps", "50").wait(settled="yes")
    studio.js("(studio.view.size.value = 0.2, studio.quick.toggleLive(), null)")
    times = []
    for k in range(8):
        before = studio.js("studio.quick.live.value")
        studio.stroke((40 + 20 * k, 60), (60 + 20 * k, 180))
        began = time.perf_counter()
        studio.until(f"studio.quick.live.value !== {json.dumps(before)}")
        times.append(time.perf_counter() - began)
    usual = sorted(times[1:])[3]
    print(f"live: first picture {times[0]:.2f} s after its stroke, then {usual:.2f} s (256 px, 12 steps)")


if __name__ == "__main__":
    main()
