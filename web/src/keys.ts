// Keys of the page. Letters are off while typing; punctuation goes by the place of the key, so that layouts agree.
import { choose, slots } from "./jobs/shelf";
import * as operations from "./paint/operations";
import { removePoint } from "./stage/points";
import { spaceHeld, stampAt } from "./stage/pointer";
import { fit, toStage, zoomAt, zoomTo } from "./stage/viewport";
import * as doc from "./state/document";
import * as server from "./state/server";
import * as view from "./state/view";

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["range", "checkbox", "button", "radio"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

const TOOLS: Record<string, view.Tool> = { b: "brush", e: "eraser", g: "gradient", l: "lasso", p: "points", h: "hand" };

export function listen(): void {
  addEventListener("keydown", down);
  addEventListener("keyup", (event) => {
    if (event.code === "Space") spaceHeld.value = false;
    if (isBackslash(event)) view.before.value = false;
  });
  addEventListener("blur", () => {
    spaceHeld.value = false;
    view.before.value = false;
  });
}

const isBackslash = (event: KeyboardEvent): boolean =>
  event.key === "\\" || event.code === "Backslash" || event.code === "IntlBackslash";

function down(event: KeyboardEvent): void {
  const control = event.ctrlKey || event.metaKey;
  if (view.dialog.value) return;
  if (control && event.key === "Enter") {
    event.preventDefault();
    const plan = server.plan.value;
    if (doc.picture.value && !plan?.faults.length && !plan?.refusal) void doc.run();
    return;
  }
  if (typing(event.target)) return;
  if (event.key === "Escape") {
    if (view.selected.value) view.selected.value = null;
    else if (server.working.value.length) void doc.stop();
    return;
  }
  if (control) {
    const key = event.key.toLowerCase();
    if (key === "z") event.shiftKey ? doc.redo() : doc.undo();
    else if (key === "y") doc.redo();
    else if (event.code === "Digit1") zoomTo(1);
    else return;
    event.preventDefault();
    return;
  }
  if (event.altKey) return;
  if (onStage(event)) {
    event.preventDefault();
    return;
  }
  if (event.code === "BracketLeft" || event.code === "BracketRight") {
    const way = event.code === "BracketLeft" ? -1 : 1;
    if (event.shiftKey) view.hardness.value = clamp(view.hardness.value + way * 0.1);
    else view.size.value = Math.min(1, Math.max(0.001, view.size.value * (way < 0 ? 0.85 : 1 / 0.85)));
    event.preventDefault();
    return;
  }
  if (isBackslash(event)) {
    if (!event.repeat) view.before.value = true;
    event.preventDefault();
    return;
  }
  if (event.code === "Space" && event.target === document.body) {
    spaceHeld.value = true;
    event.preventDefault();
    return;
  }
  if (event.key === "?") {
    view.dialog.value = "keys";
    return;
  }
  if (view.letterKeys.value) letter(event);
}

/** Keys that only mean something while the stage has the focus. */
function onStage(event: KeyboardEvent): boolean {
  const stage = event.target instanceof HTMLElement && event.target.classList.contains("stage");
  const picture = doc.picture.value;
  if (!stage || !picture) return false;
  const step = event.shiftKey ? 10 : 1;
  const moves: Record<string, [number, number]> = {
    ArrowLeft: [-step, 0],
    ArrowRight: [step, 0],
    ArrowUp: [0, -step],
    ArrowDown: [0, step],
  };
  const move = moves[event.key];
  const at = view.cursor.value ?? { x: picture.width / 2, y: picture.height / 2, keys: true };
  if (move) {
    view.cursor.value = {
      x: Math.min(picture.width, Math.max(0, at.x + move[0])),
      y: Math.min(picture.height, Math.max(0, at.y + move[1])),
      keys: true,
    };
    return true;
  }
  if (event.code === "Space") {
    if (view.cursor.value?.keys) {
      if (!event.repeat) act(at.x, at.y);
    } else spaceHeld.value = true;
    return true;
  }
  if (event.key === "+" || event.key === "=" || event.key === "-") {
    const { x, y } = toStage(at.x, at.y);
    zoomAt(x, y, event.key === "-" ? 1 / 1.25 : 1.25);
    return true;
  }
  if (event.key === "Delete" && view.focusedPoint.value) {
    removePoint(view.focusedPoint.value.pair);
    return true;
  }
  return false;
}

function act(x: number, y: number): void {
  if (view.tool.value === "points") {
    doc.setPoints([...doc.points.value, [x - 0.5, y - 0.5, x - 0.5, y - 0.5]]);
    view.focusedPoint.value = { pair: doc.points.value.length - 1, end: 1 };
  } else stampAt(x, y);
}

function letter(event: KeyboardEvent): void {
  const key = event.key.toLowerCase();
  const tool = TOOLS[key];
  const map = doc.canvas.value;
  if (tool) view.tool.value = tool;
  else if (key === "x") view.swapStrength();
  else if (key === "m") view.overlay.value = !view.overlay.value;
  else if (key === "f") fit();
  else if (key === "i" && map) doc.did(operations.invert(map));
  else if (/^Digit\d$/.test(event.code) && !event.shiftKey) {
    const digit = Number(event.code.slice(5));
    const slot = digit > 0 ? slots()[digit - 1] : undefined;
    if (slot?.result) {
      view.selected.value = null;
      choose(slot);
    } else view.strength.value = digit === 0 ? 1 : digit / 10;
  } else return;
  event.preventDefault();
}

const clamp = (value: number): number => Math.min(1, Math.max(0, Math.round(value * 100) / 100));
