// The map without a browser: overlap, exact zero, undo of anything, borders of tiles, the budget of memory.
import { describe, expect, it } from "vitest";
import { falloff, Stroke } from "../src/paint/brush";
import { type Change, History, TileChange } from "../src/paint/history";
import * as operations from "../src/paint/operations";
import { StrengthMap, TILE } from "../src/paint/strength_map";

function stroke(map: StrengthMap, strength: number, places: [number, number][], diameter = 60, hardness = 0.5) {
  const own = new Stroke(map, { diameter, hardness, strength });
  for (const [x, y] of places) own.move(x, y);
  return own.end().change;
}

/** The same numbers every time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

describe("a stroke", () => {
  it("never adds up where it crosses itself", () => {
    const map = new StrengthMap(300, 300);
    stroke(map, 0.4, [[50, 150], [250, 150], [150, 50], [150, 250]]);
    expect(Math.max(...map.data)).toBe(102);
    expect(map.at(150, 150)).toBe(102);
  });

  it("fades to exactly nothing and the eraser takes all of it back", () => {
    const map = new StrengthMap(300, 300);
    stroke(map, 1, [[150, 150]], 100, 0);
    expect(map.at(150, 150)).toBeGreaterThan(253);
    expect(map.at(150, 99)).toBe(0);
    stroke(map, 0, [[150, 150]], 300, 1);
    expect(map.statistics().count).toBe(0);
  });

  it("knows no borders of tiles", () => {
    const there = new StrengthMap(700, 700);
    const here = new StrengthMap(700, 700);
    stroke(there, 0.7, [[TILE - 40, TILE - 30], [TILE + 40, TILE + 30]]);
    stroke(here, 0.7, [[TILE - 40 - 100, TILE - 30 - 100], [TILE + 40 - 100, TILE + 30 - 100]]);
    for (let y = 150; y < 360; y++)
      for (let x = 150; x < 360; x++) expect(there.at(x, y)).toBe(here.at(x - 100, y - 100));
  });

  it("may begin and end outside", () => {
    const map = new StrengthMap(100, 100);
    stroke(map, 1, [[-200, 50], [300, 50]]);
    for (let x = 0; x < 100; x++) expect(map.at(x, 50)).toBeGreaterThan(200);
  });

  it("has a falloff that only falls", () => {
    for (const hardness of [0, 0.3, 1]) {
      const table = falloff(hardness);
      for (let k = 1; k < table.length; k++) expect(table[k]!).toBeLessThanOrEqual(table[k - 1]!);
    }
  });
});

describe("history", () => {
  it("takes 200 random operations back to the first bytes, and forth again", () => {
    const next = random(7);
    const map = new StrengthMap(600, 400);
    const history = new History();
    let count = 0;
    for (let k = 0; k < 200; k++) {
      const place = (): [number, number] => [next() * 700 - 50, next() * 500 - 50];
      const ways: (() => TileChange | null)[] = [
        () => stroke(map, next(), [place(), place(), place()], 10 + next() * 120, next()),
        () => operations.disc(map, ...place(), 5 + next() * 90, next(), next()),
        () => operations.lasso(map, [place(), place(), place(), place()].map(([x, y]) => ({ x, y })), next()),
      ];
      const change = ways[Math.floor(next() * ways.length)]!();
      if (change) {
        history.add(change);
        count++;
      }
    }
    const full = map.data.slice();
    const statistics = map.statistics();
    for (let k = 0; k < count; k++) history.undo();
    expect(map.data.every((value) => value === 0)).toBe(true);
    expect(map.statistics().count).toBe(0);
    for (let k = 0; k < count; k++) history.redo();
    expect(map.data).toEqual(full);
    expect(map.statistics()).toEqual(statistics);
  }, 30_000);

  it("keeps to its budget and forgets the oldest", () => {
    const history = new History(5 * 65536);
    const map = new StrengthMap(TILE * 4, TILE);
    for (let k = 0; k < 20; k++) history.add(stroke(map, 1, [[k * 40, 100]], 20) as Change);
    const kept = (history as unknown as { past: Change[] }).past;
    expect(kept.reduce((sum, one) => sum + one.bytes, 0)).toBeLessThanOrEqual(5 * 65536);
    expect(kept.length).toBeGreaterThan(0);
  });

  it("drops the redo after a new stroke", () => {
    const map = new StrengthMap(100, 100);
    const history = new History();
    history.add(stroke(map, 1, [[50, 50]])!);
    history.undo();
    history.add(stroke(map, 1, [[20, 20]])!);
    expect(history.canRedo).toBe(false);
  });
});

describe("operations and reduced copies", () => {
  it("invert twice is nothing, fill fills, a gradient falls", () => {
    const map = new StrengthMap(90, 70);
    stroke(map, 0.6, [[40, 40]]);
    const before = map.data.slice();
    operations.invert(map);
    operations.invert(map);
    expect(map.data).toEqual(before);
    operations.gradient(map, { x: 0, y: 0 }, { x: 90, y: 0 }, 1);
    for (let x = 1; x < 90; x++) expect(map.at(x, 30)).toBeLessThanOrEqual(map.at(x - 1, 30));
    operations.fill(map, 0.5);
    expect(map.data.every((value) => value === 128)).toBe(true);
  });

  it("keep the largest strength, so that a single pixel is seen from afar", () => {
    const map = new StrengthMap(2049, 1025);
    operations.disc(map, 2048.5, 1024.5, 0.6, 1);
    const { data, width, factor } = map.level(4);
    expect(factor).toBe(4);
    expect(data[Math.floor(1024 / 4) * width + Math.floor(2048 / 4)]).toBe(255);
    expect(data.reduce((sum, value) => sum + Number(value > 0), 0)).toBe(1);
  });
});
