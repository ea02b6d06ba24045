// The change map as a typed array of strengths (0 keeps, 255 changes fully), its statistics and its reduced copies.

export const TILE = 256;

export interface Box {
  x0: number;
  y0: number;
  x1: number; // exclusive
  y1: number; // exclusive
}

/** Counts of every strength, and what a person wants to know of them. */
export interface Statistics {
  share: number; // of the pixels that may change, 0..1
  mean: number; // strength of those, 0..1
  count: number;
}

interface Level {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Strengths of a picture's pixels, one byte each. Reduced copies hold the maximum, so that nothing painted vanishes. */
export class StrengthMap {
  readonly data: Uint8Array;
  readonly columns: number;
  readonly rows: number;
  /** Counts up with every finished change, so that what was sent already is known. */
  revision = 0;
  private readonly histogram = new Float64Array(256);
  private readonly levels: Level[] = [];

  constructor(
    readonly width: number,
    readonly height: number,
    data?: Uint8Array,
  ) {
    this.data = data ?? new Uint8Array(width * height);
    this.columns = Math.ceil(width / TILE);
    this.rows = Math.ceil(height / TILE);
    this.levels.push({ width, height, data: this.data });
    let [w, h] = [width, height];
    while (Math.max(w, h) > 512) {
      w = Math.ceil(w / 2);
      h = Math.ceil(h / 2);
      this.levels.push({ width: w, height: h, data: new Uint8Array(w * h) });
    }
    if (data) this.refresh({ x0: 0, y0: 0, x1: width, y1: height });
    for (const value of this.data) this.histogram[value]!++;
  }

  /** Strength 0..255 of a pixel; 0 outside the picture. */
  at(x: number, y: number): number {
    return x < 0 || y < 0 || x >= this.width || y >= this.height ? 0 : this.data[y * this.width + x]!;
  }

  /** The largest reduction whose pixels are not larger than `size` picture pixels. */
  level(size: number): Level & { factor: number } {
    let k = 0;
    while (k + 1 < this.levels.length && 2 ** (k + 1) <= size) k++;
    return { ...this.levels[k]!, factor: 2 ** k };
  }

  tileBox(tile: number): Box {
    const x0 = (tile % this.columns) * TILE;
    const y0 = Math.floor(tile / this.columns) * TILE;
    return { x0, y0, x1: Math.min(x0 + TILE, this.width), y1: Math.min(y0 + TILE, this.height) };
  }

  /** Copy of a tile's strengths in rows of TILE. */
  readTile(tile: number): Uint8Array {
    const { x0, y0, x1, y1 } = this.tileBox(tile);
    const copy = new Uint8Array(TILE * TILE);
    for (let y = y0; y < y1; y++)
      copy.set(this.data.subarray(y * this.width + x0, y * this.width + x1), (y - y0) * TILE);
    return copy;
  }

  writeTile(tile: number, values: Uint8Array): void {
    const { x0, y0, x1, y1 } = this.tileBox(tile);
    for (let y = y0; y < y1; y++)
      this.data.set(values.subarray((y - y0) * TILE, (y - y0) * TILE + x1 - x0), y * this.width + x0);
    this.refresh({ x0, y0, x1, y1 });
  }

  /** Bring the reduced copies up to date inside a box. */
  refresh(box: Box): void {
    let { x0, y0, x1, y1 } = box;
    for (let k = 1; k < this.levels.length; k++) {
      const from = this.levels[k - 1]!;
      const to = this.levels[k]!;
      x0 >>= 1;
      y0 >>= 1;
      x1 = Math.min((x1 + 1) >> 1, to.width);
      y1 = Math.min((y1 + 1) >> 1, to.height);
      for (let y = y0; y < y1; y++) {
        const upper = 2 * y * from.width;
        const lower = Math.min(2 * y + 1, from.height - 1) * from.width;
        for (let x = x0; x < x1; x++) {
          const left = 2 * x;
          const right = Math.min(left + 1, from.width - 1);
          const a = from.data[upper + left]!;
          const b = from.data[upper + right]!;
          const c = from.data[lower + left]!;
          const d = from.data[lower + right]!;
          const ab = a > b ? a : b;
          const cd = c > d ? c : d;
          to.data[y * to.width + x] = ab > cd ? ab : cd;
        }
      }
    }
  }

  /** Count a tile anew: `before` is what it held when it was last counted. */
  recount(tile: number, before: Uint8Array): void {
    this.revision++;
    const { x0, y0, x1, y1 } = this.tileBox(tile);
    for (let y = y0; y < y1; y++) {
      const own = y * this.width;
      const old = (y - y0) * TILE - x0;
      for (let x = x0; x < x1; x++) {
        this.histogram[before[old + x]!]!--;
        this.histogram[this.data[own + x]!]!++;
      }
    }
  }

  statistics(): Statistics {
    let count = 0;
    let sum = 0;
    for (let value = 1; value < 256; value++) {
      count += this.histogram[value]!;
      sum += value * this.histogram[value]!;
    }
    return { count, share: count / this.data.length, mean: count ? sum / count / 255 : 0 };
  }
}

export function tilesIn(map: StrengthMap, box: Box): number[] {
  const x0 = Math.max(0, Math.floor(box.x0 / TILE));
  const y0 = Math.max(0, Math.floor(box.y0 / TILE));
  const x1 = Math.min(map.columns, Math.ceil(box.x1 / TILE));
  const y1 = Math.min(map.rows, Math.ceil(box.y1 / TILE));
  const tiles: number[] = [];
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) tiles.push(y * map.columns + x);
  return tiles;
}

export function union(a: Box | null, b: Box): Box {
  if (!a) return b;
  return {
    x0: Math.min(a.x0, b.x0),
    y0: Math.min(a.y0, b.y0),
    x1: Math.max(a.x1, b.x1),
    y1: Math.max(a.y1, b.y1),
  };
}
