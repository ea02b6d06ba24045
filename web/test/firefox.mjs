// A second browser: paint in Firefox, and the engine reads the very strengths that the page holds. `make studio-check`.
// Other browsers by their path: BROWSER=chrome node test/firefox.mjs /usr/bin/chromium
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const root = resolve(import.meta.dirname, "../..");
const python = process.env.PYTHON ?? join(root, ".venv/bin/python");
const executablePath = process.argv[2] ?? ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find(existsSync);
const kind = process.env.BROWSER ?? "firefox";
const environment = { ...process.env, PYTHONPATH: join(root, "src"), HF_HUB_OFFLINE: "1", OMP_NUM_THREADS: "1" };

/** Hash of a map's file as the engine reads it, and of its plain bytes. */
const READ = `
import hashlib, sys
import numpy as np
from PIL import Image
from scumble.hashing import tensor_sha256
from scumble.images import load_map
image = Image.open(sys.argv[1])
print(tensor_sha256(load_map(sys.argv[1], image.size)[0]), hashlib.sha256(np.asarray(image).tobytes()).hexdigest())
`;

function must(holds, text) {
  if (!holds) throw new Error(text);
  console.log(`ok: ${text}`);
}

async function address(server) {
  for await (const line of createInterface({ input: server.stdout })) {
    const found = /^Scumble Studio: (\S+)/.exec(line);
    if (found) return found[1];
  }
  throw new Error("the studio printed no address");
}

if (!executablePath) throw new Error("no Firefox is installed: give its path");
const folder = mkdtempSync(join(tmpdir(), "studio-"));
const server = spawn(python, ["-m", "scumble", "studio", "--folder", folder, "--no-browser"], { env: environment, cwd: folder });
server.stderr.pipe(process.stderr);
let browser;
try {
  const begins = await address(server);
  browser = await puppeteer.launch({ browser: kind, executablePath, args: kind === "chrome" ? ["--no-sandbox"] : [] });
  const page = await browser.newPage();
  page.setDefaultTimeout(180_000);
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await page.setViewport({ width: 1440, height: 900 });
  await page.goto(begins);
  const said = (selector) => page.waitForSelector(selector);
  await said(".house[data-state=empty]");
  await (await page.waitForSelector("::-p-aria([name='Take a still life'][role='button'])")).click();
  await said(".house[data-state=painting][data-settled=yes]");
  const box = await (await page.$(".stage")).boundingBox();
  await page.mouse.move(box.x + box.width * 0.45, box.y + box.height * 0.5);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.55, box.y + box.height * 0.6, { steps: 12 });
  await page.mouse.up();
  await page.waitForFunction("studio.doc.mapId.value !== null && studio.doc.settled.value");
  const id = await page.evaluate("studio.doc.mapId.value");
  const held = await page.evaluate("Array.from(studio.doc.map.value.data)");
  const [engine, bytes] = execFileSync(python, ["-c", READ, join(folder, ".scumble/maps", id, "map.png")], { env: environment, encoding: "utf8" }).trim().split(" ");
  must(held.some((value) => value > 0 && value < 204), "a soft stroke is in the map");
  must(engine === id, "the engine's hash of the map is the page's");
  must(bytes === createHash("sha256").update(Uint8Array.from(held)).digest("hex"), "every strength is the page's");
  await page.type("textarea", "a red cube on sand");
  await page.waitForFunction("studio.server.model.value.state === 'ready'");
  await page.evaluate("studio.doc.setValue('num_inference_steps', 2); studio.doc.count.value = 1; studio.doc.changedDocument()");
  await said(".house[data-settled=yes][data-plan=ok]");
  await page.keyboard.down("Control");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Control");
  await said(".house[data-state=comparing]");
  const proof = await page.evaluate("studio.server.results.value.get(studio.view.selected.value).proof");
  must(proof.changed === 0 && proof.protected === held.filter((value) => value === 0).length, `0 of ${proof.protected} protected pixels changed`);
  must(proof.max > 0, "the painted place changed");
  must(faults.length === 0, `no fault in the page ${faults.join("; ")}`);
} finally {
  await browser?.close();
  server.kill("SIGINT");
  await new Promise((done) => server.once("exit", done));
  rmSync(folder, { recursive: true, force: true });
}
