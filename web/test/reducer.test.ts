// The mirror of the server: the same state whatever was seen before, and nothing is counted twice.
import { beforeEach, describe, expect, it } from "vitest";
import type { Job, State } from "../src/api";
import * as server from "../src/state/server";

const job = (id: number, change: Partial<Job> = {}): Job => ({
  id, edit: "e", k: id, count: 3, state: "queued", method: "sdedit", prompt: "", seed: 1, picture: "p", live: false,
  stage: "", step: 0, steps: 0, left: null, preview: 0, silent: false, error: null, results: [], ...change,
});

const empty = (sequence: number): State => ({
  sequence, version: "", folder: "", draft: null, jobs: [], results: [],
  inversions: [], methods: [], stillLife: true,
  model: { name: "",
  chosen: "", state: "starting", device: "", milliseconds: null, about: "", error: null, choices: [] },
  queue: { paused: false, reason: "" },
});

const story: server.Event[] = [
  { sequence: 1, kind: "job", data: job(1) },
  { sequence: 2, kind: "job", data: job(2) },
  { sequence: 3, kind: "model", data: { state: "ready", name: "still-life" } },
  { sequence: 4, kind: "job", data: job(1, { state: "running" }) },
  { sequence: 5, kind: "progress", data: { id: 1, step: 3, steps: 10 } },
  { sequence: 6, kind: "progress", data: { id: 9, step: 3, steps: 10 } },
  { sequence: 7, kind: "job", data: job(1, { state: "done" }) },
  { sequence: 8, kind: "queue", data: { paused: true, reason: "why" } },
];

describe("the reducer", () => {
  beforeEach(() => server.take(empty(0)));

  it("gives the same from every prefix, whether events come once or twice", () => {
    for (const event of story) server.reduce(event);
    const wanted = [[...server.jobs.value.values()], server.model.value, server.queue.value];
    for (let cut = 0; cut <= story.length; cut++) {
      server.take(empty(0));
      for (const event of story.slice(0, cut)) server.reduce(event);
      for (const event of story) server.reduce(event);
      expect([[...server.jobs.value.values()], server.model.value, server.queue.value]).toEqual(wanted);
    }
  });

  it("knows nothing of jobs that it was not told of", () => {
    for (const event of story) server.reduce(event);
    expect(server.jobs.value.has(9)).toBe(false);
  });

  it("leaves out what the state held already", () => {
    server.take({ ...empty(7), jobs: [job(1, { state: "done" })] });
    for (const event of story) server.reduce(event);
    expect(server.jobs.value.get(1)!.state).toBe("done");
    expect(server.queue.value.paused).toBe(true);
  });
});
