// Pointers on the stage: mouse, pen and fingers; painting, shapes, points, panning and pinching.
import type { Pair } from "../api";
import { Stroke } from "../paint/brush";
import * as operations from "../paint/operations";
import { type Box, union } from "../paint/strength_map";
import * as doc from "../state/document";
import * as view from "../state/view";
import { pan, toPicture, zoomAt } from "./viewport";
import { signal } from "@preact/signals";

/** A shape in progress: the line of a gradient or the outline of a lasso, in picture pixels. */
export const sketch = signal<{ x: number; y: number }[] | null>(null);
export const spaceHeld = signal(false);

export function diameter(): number {
  const picture = doc.picture.value;
  return picture ? Math.max(1, view.size.value * Math.max(picture.width, picture.height)) : 1;
}

type Mode = "paint" | "pan" | "gradient" | "lasso" | "point" | "none";

export class Pointer {
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private mode: Mode = "none";
  private active = -1;
  private stroke: Stroke | null = null;
  private penSeen = false;
  private pair: { index: number; end: 0 | 1; start: Pair[] } | null = null;

  constructor(private readonly stage: HTMLElement) {
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event));
    stage.addEventListener("pointerleave", () => {
      if (this.mode === "none") view.cursor.value = null;
    });
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("keydown", () => delete stage.dataset.byPointer);
    stage.addEventListener("blur", () => delete stage.dataset.byPointer);
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  private place(event: MouseEvent): { sx: number; sy: number } {
    const box = this.stage.getBoundingClientRect();
    return { sx: event.clientX - box.left, sy: event.clientY - box.top };
  }

  private wheel(event: WheelEvent): void {
    if (!doc.picture.value) return;
    event.preventDefault();
    const { sx, sy } = this.place(event);
    const amount = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    if (event.shiftKey || (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)))
      pan(-event.deltaX - (event.shiftKey ? amount : 0), 0);
    else zoomAt(sx, sy, Math.exp(-Math.max(-240, Math.min(240, amount)) * 0.0022));
  }

  private down(event: PointerEvent): void {
    if (!doc.picture.value || !doc.canvas.value) return;
    if (!(event.target instanceof Element) || event.target.closest("[data-floating]")) return;
    const { sx, sy } = this.place(event);
    const { x, y } = toPicture(sx, sy);
    if (event.pointerType === "pen") this.penSeen = true;
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, { x: sx, y: sy });
      this.stage.setPointerCapture(event.pointerId);
      if (this.fingers.size === 2) {
        this.abandon();
        this.mode = "pan";
        return;
      }
      if (this.penSeen) {
        this.mode = "pan"; // with a pen at hand, fingers only move the paper
        return;
      }
    }
    if (this.mode !== "none") return;
    event.preventDefault();
    this.stage.dataset.byPointer = ""; // a frame around the picture is for those who came here by key
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    this.active = event.pointerId;
    const tool = view.tool.value;
    if (event.button === 1 || spaceHeld.value || tool === "hand") this.mode = "pan";
    else if (tool === "brush" || tool === "eraser") {
      this.mode = "paint";
      this.stroke = new Stroke(
        doc.canvas.value,
        {
          diameter: diameter(),
          hardness: view.hardness.value,
          strength: tool === "eraser" || event.button === 2 || event.buttons === 32 ? 0 : view.strength.value,
        },
        event.pointerType === "pen" ? view.pressure.value : "none",
      );
      doc.touched(this.stroke.move(x, y, event.pressure || 1), false);
    } else if (tool === "gradient" || tool === "lasso") {
      this.mode = tool;
      sketch.value = [{ x, y }];
    } else if (tool === "points") this.beginPoint(event, x, y);
  }

  private beginPoint(event: PointerEvent, x: number, y: number): void {
    const handle = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-pair]") : null;
    const start = doc.points.value;
    this.mode = "point";
    if (handle) {
      const index = Number(handle.dataset.pair);
      this.pair = { index, end: Number(handle.dataset.end) as 0 | 1, start };
      handle.focus({ preventScroll: true });
    } else {
      doc.points.value = [...start, [x - 0.5, y - 0.5, x - 0.5, y - 0.5]];
      this.pair = { index: start.length, end: 1, start };
    }
    view.focusedPoint.value = { pair: this.pair.index, end: this.pair.end };
  }

  private move(event: PointerEvent): void {
    if (!doc.picture.value) return;
    const { sx, sy } = this.place(event);
    const point = toPicture(sx, sy);
    const covered = this.mode === "none" && event.target instanceof Element && !!event.target.closest("[data-floating]");
    view.cursor.value = covered ? null : { ...point, keys: false };
    const finger = this.fingers.get(event.pointerId);
    if (finger) {
      const others = [...this.fingers.entries()].filter(([id]) => id !== event.pointerId);
      if (this.mode === "pan") {
        const other = others[0]?.[1];
        if (other) {
          const was = Math.hypot(finger.x - other.x, finger.y - other.y);
          const is = Math.hypot(sx - other.x, sy - other.y);
          pan((sx - finger.x) / 2, (sy - finger.y) / 2);
          if (was > 4) zoomAt((sx + other.x) / 2, (sy + other.y) / 2, is / was);
        } else pan(sx - finger.x, sy - finger.y);
        this.fingers.set(event.pointerId, { x: sx, y: sy });
        return;
      }
      this.fingers.set(event.pointerId, { x: sx, y: sy });
    }
    if (event.pointerId !== this.active) return;
    if (this.mode === "pan") pan(event.movementX, event.movementY);
    else if (this.mode === "paint" && this.stroke) {
      const events = event.getCoalescedEvents?.() ?? [];
      let box: Box | null = null;
      for (const one of events.length ? events : [event]) {
        const at = this.place(one);
        const { x, y } = toPicture(at.sx, at.sy);
        const dirty = this.stroke.move(x, y, one.pressure || 1);
        if (dirty) box = union(box, dirty);
      }
      doc.touched(box, false);
    } else if (this.mode === "gradient") sketch.value = [sketch.value![0]!, point];
    else if (this.mode === "lasso") sketch.value = [...sketch.value!, point];
    else if (this.mode === "point" && this.pair) {
      const { index, end } = this.pair;
      doc.points.value = doc.points.value.map((pair, k) =>
        k !== index
          ? pair
          : end === 0
            ? [point.x - 0.5, point.y - 0.5, pair[2], pair[3]]
            : [pair[0], pair[1], point.x - 0.5, point.y - 0.5],
      );
    }
  }

  private up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    if (event.pointerId !== this.active) {
      if (this.mode === "pan" && !this.fingers.size) this.mode = "none";
      return;
    }
    const map = doc.canvas.value;
    if (this.mode === "paint" && this.stroke) {
      const { change } = this.stroke.end();
      doc.did(change);
    } else if (map && this.mode === "gradient" && sketch.value?.length === 2)
      doc.did(operations.gradient(map, sketch.value[0]!, sketch.value[1]!, view.strength.value));
    else if (map && this.mode === "lasso" && sketch.value)
      doc.did(operations.lasso(map, sketch.value, view.strength.value));
    else if (this.mode === "point" && this.pair) {
      const next = doc.points.value;
      doc.points.value = this.pair.start;
      doc.setPoints(next.map(rounded));
    }
    this.mode = "none";
    this.active = -1;
    this.stroke = null;
    this.pair = null;
    sketch.value = null;
  }

  /** A second finger came down: what the first one began was meant as a gesture. */
  private abandon(): void {
    if (this.mode === "paint" && this.stroke) {
      const { change } = this.stroke.end();
      if (change) change.swap();
      doc.touched(null);
    }
    if (this.mode === "point" && this.pair) doc.points.value = this.pair.start;
    this.stroke = null;
    this.pair = null;
    this.active = -1;
    sketch.value = null;
  }
}

function rounded(pair: Pair): Pair {
  return pair.map((value) => Math.round(value * 10) / 10) as Pair;
}

/** Stamp at the crosshair (Space on the stage). */
export function stampAt(x: number, y: number): void {
  const map = doc.canvas.value;
  if (!map) return;
  const strength = view.tool.value === "eraser" ? 0 : view.strength.value;
  const stroke = new Stroke(map, { diameter: diameter(), hardness: view.hardness.value, strength });
  doc.touched(stroke.move(x, y), false);
  doc.did(stroke.end().change);
}
