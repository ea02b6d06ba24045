// What is drawn and mixed without a browser: chains of edits with branches, and results seen through the map.
import { describe, expect, it } from "vitest";
import type { Result } from "../src/api";
import { lineage, trees } from "../src/jobs/tree";
import { StrengthMap } from "../src/paint/strength_map";
import { greyPng } from "../src/paint/png";
import { mix } from "../src/stage/through";

const result = (id: string, picture: string, kept: string | undefined, created: number) =>
  ({ id, picture, kept, created, prompt: id, method: "m" }) as Result;

describe("the drawn chain", () => {
  const all = [
    result("r1", "a", "b", 1),
    result("r2", "b", "c", 2),
    result("r3", "a", "d", 3),
    result("r4", "b", undefined, 4),
    result("r5", "x", "y", 9),
    result("r6", "z", undefined, 10),
  ];

  it("puts every kept picture behind the one it was made from, and branches below each other", () => {
    const [first] = trees(all, "c");
    expect(first!.map((one) => [one.picture, one.column, one.row, one.results])).toEqual([
      ["a", 0, 0, 2],
      ["b", 1, 0, 2],
      ["c", 2, 0, 0],
      ["d", 1, 1, 0],
    ]);
  });

  it("begins with the tree of the present picture, else with the newest, and leaves out what was never gone on from", () => {
    expect(trees(all, "d").map((one) => one[0]!.picture)).toEqual(["a", "x"]);
    expect(trees(all, null).map((one) => one[0]!.picture)).toEqual(["x", "a"]);
    expect(trees([], null)).toEqual([]);
  });

  it("ends where a picture comes back to itself", () => {
    const round = [result("r1", "a", "b", 1), result("r2", "b", "a", 2), result("r3", "a", "a", 3)];
    expect(trees(round, null)).toEqual([]);
    expect(lineage(round, "b").map((one) => one.picture)).toEqual(["a", "b"]);
  });
});

describe("results seen through the map", () => {
  it("shows nothing where nothing is painted, the picture of a strength at it, and a mixture between two", () => {
    const layers = [0.5, 1].map((strength, k) => ({ strength, pixels: new Uint8ClampedArray(16).fill(100 * (k + 1)) }));
    const map = new StrengthMap(4, 1, new Uint8Array([0, 64, 128, 255]));
    const out = new Uint8ClampedArray(16);
    mix(out, 4, 1, layers, map);
    expect(out[3]).toBe(0);
    expect([out[4], out[7]]).toEqual([100, 128]);
    expect([out[8], out[11]]).toEqual([100, 255]);
    expect([out[12], out[15]]).toEqual([200, 255]);
  });
});

describe("a map without a server", () => {
  it("is a grey PNG that holds every strength", async () => {
    const values = Uint8Array.from({ length: 15 }, (_, k) => k * 17);
    const bytes = new Uint8Array(await (await greyPng(5, 3, values)).arrayBuffer());
    const view = new DataView(bytes.buffer);
    expect([view.getUint32(16), view.getUint32(20), bytes[24], bytes[25]]).toEqual([5, 3, 8, 0]);
    expect(view.getUint32(bytes.length - 4)).toBe(0xae426082); // the checksum that every PNG ends with
    const packed = new Blob([bytes.slice(41, 41 + view.getUint32(33))]).stream();
    const rows = new Uint8Array(await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
    expect([0, 1, 2].flatMap((y) => [...rows.subarray(6 * y + 1, 6 * y + 6)])).toEqual([...values]);
  });
});
