// The stage: the picture, what may change, what was made of it, and the pointers that work on them.
import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons";
import * as doc from "../state/document";
import * as quick from "../state/quick";
import * as server from "../state/server";
import * as view from "../state/view";
import { warp } from "../state/warp";
import { CompareOptions, Divider } from "./compare";
import { Find } from "./find";
import { Legend, Notes } from "./notes";
import { Fan, Options } from "./options";
import * as places from "../state/places";
import { Overlay, type Sheet } from "./overlay";
import { Pairs } from "./points";
import { Through } from "./through";
import { diameter, Pointer, sketch } from "./pointer";
import { fit } from "./viewport";

/** Address of a picture as the screen shows it. */
export const display = (id: string): string => `api/pictures/${id}/display`;

/** The running candidate that is being watched on the stage: selected, and not there yet. */
function watched(): { id: number; preview: number } | null {
  const name = view.selected.value;
  if (!name?.startsWith("job:")) return null;
  const job = server.jobs.value.get(Number(name.slice(4)));
  return job?.preview ? job : null;
}

function over(): string | null {
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  if (result) return view.compare.value === "change" ? `api/results/${result.id}/change.png` : `api/results/${result.id}/file`;
  if (quick.fanShown.value) return quick.fanShown.value;
  const job = watched();
  if (!job && quick.liveMode.value) return quick.live.value;
  return job ? `api/jobs/${job.id}/preview?v=${job.preview}` : null;
}

/** Whether the result on the stage belongs to the picture below it. */
export function comparing(): boolean {
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  return !!result;
}

export function Stage() {
  const stage = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const ring = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const own = stage.current!;
    new Pointer(own);
    const observer = new ResizeObserver(() => {
      view.stageSize.value = { width: own.clientWidth, height: own.clientHeight };
      if (view.viewport.peek().fitted) fit();
    });
    observer.observe(own);
    const overlay = new Overlay(canvas.current!);
    let frame = 0;
    const stopDrawing = effect(() => {
      const { width, height } = view.stageSize.value;
      const place = view.viewport.value;
      const visible = view.overlay.value && !!doc.picture.value && !quick.fanShown.value && !(comparing() && !view.before.value) && !warp.value;
      const palette = view.palette.value;
      void doc.painted.value;
      const map = doc.map.value;
      const layers = doc.info.value?.places ? places.layers.value : [];
      const painting = layers.length ? places.active.value : 0;
      const job = server.working.value.find((one) => one.edit === doc.edit.value);
      const release = server.plan.value?.release;
      const bare = (quick.liveMode.value && !!quick.live.value) || !!quick.shownThrough.value;
      const film = bare
        ? () => false
        : job && job.stage === "sample" && release && server.plan.value
          ? (value: number) => (release[value] ?? 0) <= job.step + (server.plan.value!.steps - job.steps)
          : null;
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        const sheets: Sheet[] = !visible || !map ? [] : [{ map, direction: 0, manner: painting ? "quiet" : "full", lit: film }];
        if (sheets.length && !bare)
          layers.forEach((one, k) => sheets.push({ map: one.map, direction: k + 1, manner: one.key === painting ? "full" : "stripes", lit: null }));
        overlay.draw(sheets, place, width, height, Math.min(2, devicePixelRatio), palette);
        own.dataset.drawn = String(doc.painted.peek().version);
      });
    });
    const stopFitting = effect(() => {
      void doc.picture.value;
      if (view.viewport.peek().fitted) queueMicrotask(fit);
    });
    const stopRing = effect(() => {
      const at = view.cursor.value;
      const element = ring.current!;
      const painting = view.tool.value === "brush" || view.tool.value === "eraser";
      element.hidden = !at || !doc.picture.value || comparing() || !(painting || at.keys);
      if (!at) return;
      const { scale, x, y } = view.viewport.value;
      const d = painting ? diameter() * scale : 12;
      element.style.width = element.style.height = `${d}px`;
      element.style.transform = `translate(${x + at.x * scale - d / 2}px, ${y + at.y * scale - d / 2}px)`;
      element.style.setProperty("--core", `${Math.max(0, view.hardness.value) * 100}%`);
    });
    return () => {
      observer.disconnect();
      stopDrawing();
      stopFitting();
      stopRing();
    };
  }, []);

  const picture = doc.picture.value;
  const { scale, x, y } = view.viewport.value;
  const source = over();
  const side = comparing() && view.compare.value === "side";
  const sliding = comparing() && view.compare.value === "slider";
  const showBefore = view.before.value;
  return (
    <main class="room">
    <div
      class="stage"
      ref={stage}
      tabIndex={0}
      role="application"
      aria-label="Picture. Arrow keys move the crosshair, Space stamps, plus and minus zoom, question mark lists all keys."
      aria-roledescription="canvas"
      data-tool={view.tool.value}
      data-scale={scale}
      data-x={x}
      data-y={y}
    >
      {picture ? (
          <div
            class="easel"
            data-crisp={scale >= 2 ? "" : undefined}
            data-alpha={picture.alpha ? "" : undefined}
            style={{
              width: `${picture.width}px`,
              height: `${picture.height}px`,
              transform: `translate(${x}px, ${y}px) scale(${scale})`,
            }}
          >
            <img src={display(picture.id)} alt={picture.name} draggable={false} />
            {warp.value && !comparing() && <img src={warp.value} alt="The picture pulled along the points" draggable={false} />}
            {!comparing() && !showBefore && <PaintedThrough />}
            {source && !showBefore && (
              <img
                src={source}
                alt={comparing() ? "The result" : "A preview of the result"}
                class="over"
                data-change={view.compare.value === "change" && comparing() ? "" : undefined}
                draggable={false}
                style={{
                  clipPath: sliding ? `inset(0 0 0 ${view.split.value * 100}%)` : side ? "inset(0 0 0 50%)" : undefined,
                }}
              />
            )}
          </div>
      ) : null}
      <canvas ref={canvas} class="overlay" aria-hidden="true" />
      {picture && (
        <>
          <Sketch />
          <Pairs />
          {sliding && !showBefore && <Divider />}
          {side && !showBefore && (
            <i class="half" style={{ transform: `translateX(${x + (picture.width * scale) / 2}px)` }} />
          )}
        </>
      )}
      <div ref={ring} class="ring" hidden>
        <i />
        <CursorValue />
      </div>
      {!picture && <Welcome />}
      {picture && (comparing() ? <CompareOptions /> : <Options />)}
      {picture && !comparing() && <Fan />}
      {picture && !comparing() && view.finding.value && <Find />}
      {picture && (
        <div class="status" data-floating>
          <Legend />
          <Notes />
        </div>
      )}
    </div>
    </main>
  );
}

/** What is painted as the picture of its strength; nothing while no fan fits the present words and values. */
function PaintedThrough() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const looks = quick.shownThrough.value;
  useEffect(() => {
    if (!looks) return;
    let stop = (): void => undefined;
    let gone = false;
    void Through.of(looks).then((one) => {
      if (gone) return;
      let frame = 0;
      stop = effect(() => {
        void doc.painted.value;
        const map = doc.map.value;
        cancelAnimationFrame(frame);
        if (map) frame = requestAnimationFrame(() => canvas.current && one.draw(canvas.current, map));
      });
    }, doc.fault);
    return () => {
      gone = true;
      stop();
    };
  }, [looks]);
  return looks ? <canvas ref={canvas} class="through" aria-hidden="true" /> : null;
}

function CursorValue() {
  const at = view.cursor.value;
  void doc.painted.value;
  const map = doc.canvas.value;
  if (!at || !map) return null;
  const value = map.at(Math.floor(at.x), Math.floor(at.y));
  return <output class="value">{(value / 255).toFixed(2)}</output>;
}

function Sketch() {
  const line = sketch.value;
  if (!line) return null;
  const { scale, x, y } = view.viewport.value;
  const text = line.map((p) => `${x + p.x * scale},${y + p.y * scale}`).join(" ");
  return (
    <svg class="sketch" aria-hidden="true">
      <polyline points={text} class="under" />
      <polyline points={text} />
    </svg>
  );
}

function Welcome() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="welcome" data-floating>
      <h1>Drop a picture here</h1>
      <p class="dim">Or paste one, or a result of before: everything that made it comes back.</p>
      <div>
        <button type="button" class="button first" onClick={() => input.current!.click()}>
          <Icon name="open" /> Open a picture…
        </button>
        {server.about.value.stillLife && (
          <button type="button" class="button" onClick={() => void doc.openStillLife()}>
            Take a still life
          </button>
        )}
      </div>
      <input
        ref={input}
        type="file"
        hidden
        aria-label="Picture file"
        accept="image/*"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file) void doc.openFile(file, file.name);
          event.currentTarget.value = "";
        }}
      />
      <p class="dim small">It stays on this machine. PNG, JPEG, WebP, TIFF; up to 64 megapixels.</p>
    </div>
  );
}
