// The map over the picture, drawn in screen space: a hatch as dense as the strength is high, and the exact border.
import type { StrengthMap } from "../paint/strength_map";

export interface View {
  scale: number;
  x: number;
  y: number;
}

/** Accents for what may change; the second and third stay apart from reds and greens of the picture. */
export const PALETTES: [number, number, number][] = [
  [24, 199, 176],
  [255, 176, 0],
  [220, 38, 127],
];

/** Colors of the texts that have a place: told apart with every kind of color vision, and by their hatch without any. */
const REGIONS: [number, number, number][] = [
  [255, 176, 0],
  [70, 140, 255],
  [255, 108, 182],
  [190, 224, 64],
  [168, 140, 255],
  [255, 122, 66],
];

/** Color of a sheet: that of what may change, or of the k-th text, which never has the color of what may change. */
export function regionColor(palette: number, direction: number): [number, number, number] {
  const main = PALETTES[palette % PALETTES.length]!;
  if (!direction) return main;
  const color = REGIONS[(direction - 1) % REGIONS.length]!;
  const near = Math.hypot(...color.map((value, k) => value - main[k]!)) < 60;
  return near ? PALETTES[0]! : color;
}

const PERIOD = 9;
/** Steps of the hatch across and down: one direction for what may change, and one for each text that has a place. */
const DIRECTIONS: [number, number][] = [
  [1, 1],
  [1, -1],
  [1, 0],
  [0, 1],
  [2, 1],
  [2, -1],
  [1, 2],
];
const FAR = 9 * 10000; // keeps phases above 0

/** How a map is drawn: full; quiet, while another one is painted on; or by its stripes alone, so that what lies below shows. */
export type Manner = "full" | "quiet" | "stripes";
const SHARES: Record<Manner, [number, number]> = { full: [1, 1], quiet: [0.35, 0.3], stripes: [1.5, 0] };

/** Colors by (strength, phase of the hatch): 256 x PERIOD packed RGBA. */
function colors([r, g, b]: [number, number, number], [stripes, between]: [number, number]): Uint32Array {
  const table = new Uint32Array(256 * PERIOD);
  for (let value = 1; value < 256; value++) {
    const strength = value / 255;
    const stripe = 1 + Math.round(strength * (PERIOD - 5));
    for (let phase = 0; phase < PERIOD; phase++) {
      const dark = phase < stripe;
      const alpha = Math.round(255 * Math.min(0.9, dark ? stripes * (0.3 + 0.34 * strength) : between * (0.1 + 0.36 * strength)));
      const shade = dark ? 0.55 : 1;
      table[value * PERIOD + phase] =
        ((alpha << 24) | (Math.round(b * shade) << 16) | (Math.round(g * shade) << 8) | Math.round(r * shade)) >>> 0;
    }
  }
  return table;
}

const tables = new Map<string, Uint32Array>();

function tableOf(color: [number, number, number], manner: Manner): Uint32Array {
  const key = `${color} ${manner}`;
  const table = tables.get(key) ?? colors(color, SHARES[manner]);
  tables.set(key, table);
  return table;
}

/** A map, and how it is drawn: `direction` of its hatch (0 is that of what may change), and which strengths are lit. */
export interface Sheet {
  map: StrengthMap;
  direction: number;
  manner: Manner;
  lit: Lit;
}

/** Strengths of those that are free at a step, for the film of a running edit; null: all. */
export type Lit = ((value: number) => boolean) | null;

export class Overlay {
  private image: ImageData | null = null;
  constructor(private readonly canvas: HTMLCanvasElement) {}

  /** Draw everything that can be seen, the first sheet below. `ratio`: device pixels per CSS pixel. */
  draw(sheets: Sheet[], view: View, width: number, height: number, ratio: number, palette: number): void {
    const w = Math.max(1, Math.round(width * ratio));
    const h = Math.max(1, Math.round(height * ratio));
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
      this.image = null;
    }
    const context = this.canvas.getContext("2d")!;
    context.clearRect(0, 0, w, h);
    if (!sheets.length) return;
    const { map } = sheets[0]!;
    const scale = view.scale * ratio;
    const left = Math.max(0, Math.floor(view.x * ratio));
    const top = Math.max(0, Math.floor(view.y * ratio));
    const right = Math.min(w, Math.ceil((view.x + map.width * view.scale) * ratio));
    const bottom = Math.min(h, Math.ceil((view.y + map.height * view.scale) * ratio));
    if (left >= right || top >= bottom) return;
    this.image ??= new ImageData(w, h);
    const pixels = new Uint32Array(this.image.data.buffer);
    const { width: stride, height: rows, factor } = map.level(1 / scale);
    const columns = new Int32Array(right - left);
    for (let sx = left; sx < right; sx++) {
      const px = Math.floor((sx + 0.5 - view.x * ratio) / scale / factor);
      columns[sx - left] = px < 0 || px >= stride ? -1 : px;
    }
    const coarse = Math.max(1, Math.round(ratio));
    sheets.forEach(({ map: own, direction, manner, lit }, k) => {
    const { data } = own.level(1 / scale);
    const table = tableOf(regionColor(palette, direction), manner);
    const [dx, dy] = DIRECTIONS[direction % DIRECTIONS.length]!;
    for (let sy = top; sy < bottom; sy++) {
      const py = Math.floor((sy + 0.5 - view.y * ratio) / scale / factor);
      const out = sy * w;
      if (py < 0 || py >= rows) {
        if (!k) pixels.fill(0, out + left, out + right);
        continue;
      }
      const row = py * stride;
      for (let sx = left; sx < right; sx++) {
        const column = columns[sx - left]!;
        const value = column < 0 ? 0 : data[row + column]!;
        if (value === 0 || (lit && !lit(value))) {
          if (!k) pixels[out + sx] = 0;
          continue;
        }
        const color = table[value * PERIOD + ((((sx * dx + sy * dy + FAR) / coarse) | 0) % PERIOD)]!;
        if (!k || color >>> 24) pixels[out + sx] = color;
      }
    }
    });
    context.putImageData(this.image, 0, 0, left, top, right - left, bottom - top);
    for (const { map: own } of sheets) this.border(context, own.level(1 / scale).data, stride, rows, view, ratio, scale * factor, w, h);
  }

  /** The line where the strength becomes 0: along the edges of pixels, dashed white on dark. */
  private border(
    context: CanvasRenderingContext2D,
    data: Uint8Array,
    stride: number,
    rows: number,
    view: View,
    ratio: number,
    cell: number,
    w: number,
    h: number,
  ): void {
    const ox = view.x * ratio;
    const oy = view.y * ratio;
    const x0 = Math.max(0, Math.floor(-ox / cell));
    const y0 = Math.max(0, Math.floor(-oy / cell));
    const x1 = Math.min(stride, Math.ceil((w - ox) / cell));
    const y1 = Math.min(rows, Math.ceil((h - oy) / cell));
    const path = outline(data, stride, rows, x0, y0, x1, y1, (x, y) => [ox + x * cell, oy + y * cell]);
    if (!path) return;
    context.lineJoin = "round";
    context.lineWidth = 3.5 * ratio;
    context.setLineDash([]);
    context.strokeStyle = "rgba(0,0,0,.55)";
    context.stroke(path);
    context.lineWidth = 1.5 * ratio;
    context.setLineDash([7 * ratio, 5 * ratio]);
    context.strokeStyle = "#fff";
    context.stroke(path);
    context.setLineDash([]);
  }
}

/**
 * Trace the edges between pixels of 0 and others inside a box as closed lines; null when there are none.
 * The inside lies to the right of each edge, so that every corner is left where it was entered.
 */
export function outline(
  data: Uint8Array,
  stride: number,
  rows: number,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  place: (x: number, y: number) => [number, number],
): Path2D | null {
  const width = stride + 1;
  const next = new Map<number, number[]>();
  const edge = (a: number, b: number): void => {
    const list = next.get(a);
    if (list) list.push(b);
    else next.set(a, [b]);
  };
  for (let y = y0; y < y1; y++) {
    const row = y * stride;
    for (let x = x0; x < x1; x++) {
      if (data[row + x] === 0) continue;
      if (y === 0 || data[row - stride + x] === 0) edge(y * width + x, y * width + x + 1);
      if (y === rows - 1 || data[row + stride + x] === 0) edge((y + 1) * width + x + 1, (y + 1) * width + x);
      if (x === 0 || data[row + x - 1] === 0) edge((y + 1) * width + x, y * width + x);
      if (x === stride - 1 || data[row + x + 1] === 0) edge(y * width + x + 1, (y + 1) * width + x + 1);
    }
  }
  if (!next.size) return null;
  const path = new Path2D();
  for (const start of next.keys()) {
    if (!next.get(start)?.length) continue;
    let here = start;
    let previous = -1;
    const [sx, sy] = place(start % width, Math.floor(start / width));
    path.moveTo(sx, sy);
    for (;;) {
      const list: number[] | undefined = next.get(here);
      if (!list?.length) break;
      const to: number = list.pop()!;
      const after: number[] | undefined = next.get(to);
      const straight: boolean = after?.length === 1 && after[0]! - to === to - here && previous !== -2;
      if (!straight) {
        const [px, py] = place(to % width, Math.floor(to / width));
        path.lineTo(px, py);
      }
      previous = here;
      here = to;
      if (here === start) break;
    }
    path.closePath();
  }
  return path;
}
