// Exact undo and redo: every change keeps the tiles it touched as they were, within a budget of memory.
import { type Box, type StrengthMap, union } from "./strength_map";

/** Something that can be taken back: tiles of the map, or another part of the document. */
export interface Change {
  label: string;
  bytes: number;
  /** Exchange what is there with what is kept; called for undo and redo alike. Returns the box to redraw. */
  swap(): Box | null;
}

/** A change of the map, as the tiles that it touched. */
export class TileChange implements Change {
  readonly bytes: number;
  constructor(
    readonly label: string,
    private readonly map: StrengthMap,
    private readonly tiles: Map<number, Uint8Array>,
  ) {
    this.bytes = tiles.size * 65536;
  }

  swap(): Box | null {
    let box: Box | null = null;
    for (const [tile, kept] of this.tiles) {
      const now = this.map.readTile(tile);
      this.map.writeTile(tile, kept);
      this.map.recount(tile, now);
      this.tiles.set(tile, now);
      box = union(box, this.map.tileBox(tile));
    }
    return box;
  }
}

export class History {
  private past: Change[] = [];
  private future: Change[] = [];
  constructor(private readonly budget = 256 * 2 ** 20) {}

  get canUndo(): boolean {
    return this.past.length > 0;
  }
  get canRedo(): boolean {
    return this.future.length > 0;
  }

  add(change: Change): void {
    this.past.push(change);
    this.future = [];
    let bytes = this.past.reduce((sum, one) => sum + one.bytes, 0);
    while (bytes > this.budget && this.past.length > 1) bytes -= this.past.shift()!.bytes;
  }

  undo(): Box | null {
    const change = this.past.pop();
    if (!change) return null;
    this.future.push(change);
    return change.swap();
  }

  redo(): Box | null {
    const change = this.future.pop();
    if (!change) return null;
    this.past.push(change);
    return change.swap();
  }

  clear(): void {
    this.past = [];
    this.future = [];
  }
}
