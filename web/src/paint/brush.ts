// A stroke with a target strength: coverage is the maximum of its stamps, so that crossing it never adds up.
import { TileChange } from "./history";
import { type Box, type StrengthMap, TILE, tilesIn, union } from "./strength_map";

export interface Brush {
  diameter: number; // picture pixels
  hardness: number; // 0..1: share of the radius that is fully covered
  strength: number; // 0..1: the value that is painted; 0 erases
}

interface Touched {
  before: Uint8Array;
  coverage: Uint8Array;
}

const FINE = 1024;

/** Coverage 0..255 by squared distance (in FINE parts of the squared radius): flat, then a smooth fall to 0. */
export function falloff(hardness: number): Uint8Array {
  const table = new Uint8Array(FINE + 1);
  for (let k = 0; k <= FINE; k++) {
    const distance = Math.sqrt(k / FINE);
    const t = hardness >= 1 ? 0 : Math.max(0, (distance - hardness) / (1 - hardness));
    table[k] = Math.round(255 * (1 - t * t * (3 - 2 * t)));
  }
  return table;
}

/** One stroke from pen-down to pen-up. Positions are in picture pixels and may lie outside the picture. */
export class Stroke {
  private readonly touched = new Map<number, Touched>();
  private readonly target: number;
  private table: Uint8Array;
  private hardness: number;
  private points: { x: number; y: number; pressure: number }[] = [];
  private rest = 0;

  constructor(
    private readonly map: StrengthMap,
    private readonly brush: Brush,
    private readonly pressureTo: "size" | "strength" | "none" = "none",
  ) {
    this.target = Math.round(brush.strength * 255);
    this.hardness = brush.hardness;
    this.table = falloff(this.hardness);
  }

  /** Add a position; returns what has to be drawn anew. */
  move(x: number, y: number, pressure = 1): Box | null {
    this.points.push({ x, y, pressure });
    const n = this.points.length;
    if (n === 1) return this.stamp(x, y, pressure);
    if (n === 2) return null;
    return this.curve(this.points[Math.max(0, n - 4)]!, this.points[n - 3]!, this.points[n - 2]!, this.points[n - 1]!);
  }

  /** End the stroke: paints up to the last position, returns the undo record (null when nothing was touched). */
  end(label = "stroke"): { box: Box | null; change: TileChange | null } {
    const n = this.points.length;
    const box =
      n > 1
        ? this.curve(this.points[Math.max(0, n - 3)]!, this.points[n - 2]!, this.points[n - 1]!, this.points[n - 1]!)
        : null;
    if (!this.touched.size) return { box, change: null };
    const before = new Map<number, Uint8Array>();
    for (const [tile, { before: bytes }] of this.touched) {
      this.map.recount(tile, bytes);
      before.set(tile, bytes);
    }
    return { box, change: new TileChange(label, this.map, before) };
  }

  private curve(
    p0: { x: number; y: number },
    p1: { x: number; y: number; pressure: number },
    p2: { x: number; y: number; pressure: number },
    p3: { x: number; y: number },
  ): Box | null {
    const length = Math.hypot(p2.x - p1.x, p2.y - p1.y);
    if (length === 0) return null;
    const spacing = Math.max(1, this.brush.diameter * 0.1);
    let box: Box | null = null;
    let along = spacing - this.rest;
    for (; along <= length; along += spacing) {
      const t = along / length;
      const pressure = p1.pressure + (p2.pressure - p1.pressure) * t;
      box = this.joined(box, this.stamp(spline(p0.x, p1.x, p2.x, p3.x, t), spline(p0.y, p1.y, p2.y, p3.y, t), pressure));
    }
    this.rest = length - (along - spacing);
    if (p2 === p3) box = this.joined(box, this.stamp(p2.x, p2.y, p2.pressure));
    return box;
  }

  private joined(a: Box | null, b: Box | null): Box | null {
    return b ? union(a, b) : a;
  }

  private stamp(cx: number, cy: number, pressure: number): Box | null {
    const scale = this.pressureTo === "size" ? Math.max(0.05, pressure) : 1;
    const most = this.pressureTo === "strength" ? Math.round(255 * pressure) : 255;
    const radius = Math.max(0.5, (this.brush.diameter / 2) * scale);
    const box: Box = {
      x0: Math.max(0, Math.floor(cx - radius)),
      y0: Math.max(0, Math.floor(cy - radius)),
      x1: Math.min(this.map.width, Math.ceil(cx + radius) + 1),
      y1: Math.min(this.map.height, Math.ceil(cy + radius) + 1),
    };
    if (box.x0 >= box.x1 || box.y0 >= box.y1) return null;
    for (const tile of tilesIn(this.map, box)) this.stampTile(tile, box, cx, cy, radius, most);
    this.map.refresh(box);
    return box;
  }

  private stampTile(tile: number, box: Box, cx: number, cy: number, radius: number, most: number): void {
    const area = this.map.tileBox(tile);
    let kept = this.touched.get(tile);
    if (!kept) {
      kept = { before: this.map.readTile(tile), coverage: new Uint8Array(TILE * TILE) };
      this.touched.set(tile, kept);
    }
    const { before, coverage } = kept;
    const { data, width } = this.map;
    const { table, target } = this;
    const fine = FINE / (radius * radius);
    const x0 = Math.max(box.x0, area.x0);
    const x1 = Math.min(box.x1, area.x1);
    for (let y = Math.max(box.y0, area.y0), y1 = Math.min(box.y1, area.y1); y < y1; y++) {
      const dy = y + 0.5 - cy;
      const rest = radius * radius - dy * dy;
      if (rest < 0) continue;
      const half = Math.sqrt(rest);
      const from = Math.max(x0, Math.ceil(cx - half - 0.5));
      const to = Math.min(x1, Math.floor(cx + half - 0.5) + 1);
      const local = (y - area.y0) * TILE - area.x0;
      const row = y * width;
      for (let x = from; x < to; x++) {
        const dx = x + 0.5 - cx;
        let cover = table[((dx * dx + dy * dy) * fine) | 0]!;
        if (most !== 255) cover = Math.round((cover * most) / 255);
        const k = local + x;
        if (cover > coverage[k]!) {
          coverage[k] = cover;
          const base = before[k]!;
          data[row + x] = base + Math.round(((target - base) * cover) / 255);
        }
      }
    }
  }
}

function spline(p0: number, p1: number, p2: number, p3: number, t: number): number {
  return (
    0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t * t + (3 * p1 - p0 - 3 * p2 + p3) * t * t * t)
  );
}
