// How this tab looks at the document: tool, brush, zoom, theme. Kept in the browser, not undoable, not shared.
import { effect, signal } from "@preact/signals";

export type Tool = "brush" | "eraser" | "gradient" | "lasso" | "points" | "hand";
export type Compare = "slider" | "side" | "change" | "result";

function remembered<T>(name: string, initial: T, place: "localStorage" | "sessionStorage" = "localStorage") {
  let start = initial;
  try {
    const text = globalThis[place].getItem(`scumble.${name}`);
    if (text !== null) start = JSON.parse(text) as T;
  } catch {
    // storage may be forbidden or damaged: the initial value serves
  }
  const own = signal<T>(start);
  effect(() => {
    const text = JSON.stringify(own.value);
    try {
      globalThis[place].setItem(`scumble.${name}`, text);
    } catch {
      // as above
    }
  });
  return own;
}

export const tool = signal<Tool>("brush");
export const size = remembered("size", 0.17); // diameter, in parts of the picture's longer side
export const hardness = remembered("hardness", 0.5);
export const strength = remembered("strength", 0.8);
export const pressure = remembered<"size" | "strength" | "none">("pressure", "size");
export const letterKeys = remembered("letterKeys", true);
export const theme = remembered<"dark" | "light">(
  "theme",
  globalThis.matchMedia?.("(prefers-color-scheme: light)").matches ? "light" : "dark",
);
export const palette = remembered("palette", 0);
export const overlay = signal(true);
export const viewport = signal({ scale: 1, x: 0, y: 0, fitted: true });
export const stageSize = signal({ width: 0, height: 0 });
/** The place under the pointer or the crosshair, in picture pixels. */
export const cursor = signal<{ x: number; y: number; keys: boolean } | null>(null);
export const selected = signal<string | null>(null); // id of the result that lies over the picture
/** The edit whose end this tab waits for; it outlives a reload. */
export const finding = signal(false);
/** Milliseconds from a change to its way to the server, where something waits for it; null: when the hand rests. */
export const haste = signal<number | null>(null);
export const awaited = remembered<string | null>("awaited", null, "sessionStorage");
export const compare = signal<Compare>("slider");
export const split = signal(0.5);
export const before = signal(false); // the original is shown while a key is down
export const dialog = signal<"methods" | "settings" | "keys" | "history" | "map" | "code" | "shelf" | null>(null);
export const focusedPoint = signal<{ pair: number; end: 0 | 1 } | null>(null);

let last = 0.8;
/** Exchange the strength with 0 and back. */
export function swapStrength(): void {
  if (strength.value > 0) {
    last = strength.value;
    strength.value = 0;
  } else strength.value = last;
}
