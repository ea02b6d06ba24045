// Operations on the whole map or on a shape: fill, invert, gradient, lasso, disc. Each gives one undo record.
import { TileChange } from "./history";
import { type Box, type StrengthMap, TILE, tilesIn } from "./strength_map";

/** New strength 0..255 of a pixel, given its place and its present strength. */
type Rule = (x: number, y: number, value: number) => number;

/** Apply a rule inside a box; null when nothing was changed. */
export function apply(map: StrengthMap, label: string, box: Box, rule: Rule): TileChange | null {
  const inside: Box = {
    x0: Math.max(0, Math.floor(box.x0)),
    y0: Math.max(0, Math.floor(box.y0)),
    x1: Math.min(map.width, Math.ceil(box.x1)),
    y1: Math.min(map.height, Math.ceil(box.y1)),
  };
  const changed = new Map<number, Uint8Array>();
  for (const tile of tilesIn(map, inside)) {
    const area = map.tileBox(tile);
    const before = map.readTile(tile);
    let differs = false;
    for (let y = Math.max(area.y0, inside.y0); y < Math.min(area.y1, inside.y1); y++)
      for (let x = Math.max(area.x0, inside.x0); x < Math.min(area.x1, inside.x1); x++) {
        const k = y * map.width + x;
        const value = rule(x, y, before[(y - area.y0) * TILE + x - area.x0]!);
        if (value !== map.data[k]) {
          map.data[k] = value;
          differs = true;
        }
      }
    if (!differs) continue;
    map.refresh(area);
    map.recount(tile, before);
    changed.set(tile, before);
  }
  return changed.size ? new TileChange(label, map, changed) : null;
}

const whole = (map: StrengthMap): Box => ({ x0: 0, y0: 0, x1: map.width, y1: map.height });

export function fill(map: StrengthMap, strength: number): TileChange | null {
  const value = Math.round(strength * 255);
  return apply(map, "fill", whole(map), () => value);
}

export function invert(map: StrengthMap): TileChange | null {
  return apply(map, "invert", whole(map), (_x, _y, value) => 255 - value);
}

/** Replace all strengths, as an import does. */
export function replace(map: StrengthMap, label: string, values: Uint8Array): TileChange | null {
  return apply(map, label, whole(map), (x, y) => values[y * map.width + x]!);
}

/** A linear ramp from `from` (full strength) to `to` (nothing), over the whole picture. */
export function gradient(
  map: StrengthMap,
  from: { x: number; y: number },
  to: { x: number; y: number },
  strength: number,
): TileChange | null {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const squared = dx * dx + dy * dy;
  if (squared < 1) return null;
  return apply(map, "gradient", whole(map), (x, y) => {
    const t = ((x + 0.5 - from.x) * dx + (y + 0.5 - from.y) * dy) / squared;
    return Math.round(255 * strength * (1 - Math.min(1, Math.max(0, t))));
  });
}

/** Disc of a radius in pixels; the outer share `1 - hardness` of the radius fades. */
export function disc(
  map: StrengthMap,
  cx: number,
  cy: number,
  radius: number,
  strength: number,
  hardness = 1,
): TileChange | null {
  const target = 255 * strength;
  return apply(
    map,
    "disc",
    { x0: cx - radius, y0: cy - radius, x1: cx + radius + 1, y1: cy + radius + 1 },
    (x, y, value) => {
      const distance = Math.hypot(x + 0.5 - cx, y + 0.5 - cy) / radius;
      if (distance > 1) return value;
      const t = hardness >= 1 ? 0 : Math.max(0, (distance - hardness) / (1 - hardness));
      return Math.round(value + (target - value) * (1 - t * t * (3 - 2 * t)));
    },
  );
}

/** Fill a closed outline (even-odd rule). */
export function lasso(map: StrengthMap, outline: { x: number; y: number }[], strength: number): TileChange | null {
  if (outline.length < 3) return null;
  const xs = outline.map((p) => p.x);
  const ys = outline.map((p) => p.y);
  const box = { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs) + 1, y1: Math.max(...ys) + 1 };
  const value = Math.round(strength * 255);
  let line = -1;
  let crossings: number[] = [];
  return apply(map, "lasso", box, (x, y, old) => {
    if (y !== line) {
      line = y;
      crossings = [];
      for (let k = 0; k < outline.length; k++) {
        const a = outline[k]!;
        const b = outline[(k + 1) % outline.length]!;
        const middle = y + 0.5;
        if (a.y <= middle === b.y <= middle) continue;
        crossings.push(a.x + ((middle - a.y) / (b.y - a.y)) * (b.x - a.x));
      }
    }
    let inside = false;
    for (const crossing of crossings) if (x + 0.5 > crossing) inside = !inside;
    return inside ? value : old;
  });
}
