// A mirror of the server: filled by /api/state, changed only by events.
import { batch, computed, effect, signal } from "@preact/signals";
import { ask, Refusal, type Inversion, type Job, type MethodInfo, type ModelInfo, type Plan, type Result, type State, TAB } from "../api";

export const connected = signal(true);
/** Whether a studio answers, but not the one that this page came from: it was started again. */
export const another = signal(false);
export const loaded = signal(false);
export const about = signal({ version: "", folder: "", stillLife: false });
export const jobs = signal<Map<number, Job>>(new Map());
export const results = signal<Map<string, Result>>(new Map());
export const inversions = signal<Inversion[]>([]);
export const methods = signal<MethodInfo[]>([]);
export const model = signal<ModelInfo>({
  name: "",
  chosen: "",
  state: "starting",
  device: "",
  milliseconds: null,
  about: "",
  error: null,
  choices: [],
});
export const queue = signal({ paused: false, reason: "" });
export const plan = signal<Plan | null>(null);
/** The last plan that said until when strengths are held: one value that does not fit does not take the scale away. */
export const released = signal<Plan | null>(null);
effect(() => {
  if (plan.value?.release) released.value = plan.value;
});
export const news = signal<{ text: string; kind: "fault" | "news" } | null>(null);
/** Version of the draft that another tab wrote after ours, or 0. */
export const elsewhere = signal(0);
export const draftVersion = signal(0);

export const working = computed(() =>
  [...jobs.value.values()].filter((job) => job.state === "running" || job.state === "cancelling"),
);
export const waiting = computed(() => [...jobs.value.values()].filter((job) => job.state === "queued"));

export interface Event {
  sequence: number;
  kind: string;
  data: unknown;
}

let sequence = 0;

/** The one place where events change the mirror. Events that were seen already change nothing. */
export function reduce(event: Event): void {
  if (event.sequence <= sequence) return;
  sequence = event.sequence;
  batch(() => {
    switch (event.kind) {
      case "job":
      case "progress": {
        const change = event.data as Partial<Job> & { id: number };
        const now = jobs.value.get(change.id);
        if (!now && event.kind === "progress") return;
        jobs.value = new Map(jobs.value).set(change.id, { ...now, ...change } as Job);
        return;
      }
      case "forget": {
        const map = new Map(jobs.value);
        for (const id of event.data as number[]) map.delete(id);
        jobs.value = map;
        return;
      }
      case "result": {
        const one = event.data as Result;
        results.value = new Map(results.value).set(one.id, one);
        return;
      }
      case "removed": {
        const map = new Map(results.value);
        map.delete(event.data as string);
        results.value = map;
        return;
      }
      case "model":
        model.value = { ...model.value, ...(event.data as Partial<ModelInfo>) };
        return;
      case "methods":
        methods.value = event.data as MethodInfo[];
        return;
      case "inversions":
        inversions.value = event.data as Inversion[];
        return;
      case "queue":
        queue.value = event.data as { paused: boolean; reason: string };
        return;
      case "news":
        news.value = event.data as { text: string; kind: "fault" | "news" };
        return;
      case "draft": {
        const { version, tab } = event.data as { version: number; tab: string };
        if (tab !== TAB) elsewhere.value = version;
        return;
      }
    }
  });
}

export function take(state: State): void {
  sequence = state.sequence;
  batch(() => {
    about.value = { version: state.version, folder: state.folder, stillLife: state.stillLife };
    jobs.value = new Map(state.jobs.map((job) => [job.id, job]));
    results.value = new Map(state.results.map((one) => [one.id, one]));
    inversions.value = state.inversions;
    methods.value = state.methods;
    model.value = state.model;
    queue.value = state.queue;
    loaded.value = true;
    connected.value = true;
  });
}

let source: EventSource | null = null;
let retry = 0;

/** Read the whole state and follow events from there; a hidden tab lets go of its stream. */
export async function follow(first: (state: State) => void): Promise<void> {
  try {
    const state = await ask<State>("api/state");
    take(state);
    first(state);
    retry = 0;
  } catch (error) {
    connected.value = false;
    another.value = error instanceof Refusal && error.status === 401;
    retry = Math.min(retry + 1, 5);
    setTimeout(() => void follow(first), 400 * 2 ** retry);
    return;
  }
  if (document.hidden) return;
  source?.close();
  const stream = new EventSource(`api/events?since=${sequence}`);
  source = stream;
  stream.onmessage = (message) => {
    const event = JSON.parse(message.data as string) as Event;
    if (event.kind === "stale") {
      stream.close();
      void follow(first);
    } else reduce(event);
  };
  stream.onerror = () => {
    stream.close();
    if (source !== stream) return;
    source = null;
    connected.value = false;
    setTimeout(() => void follow(first), 500);
  };
}

export function pauseWhileHidden(first: (state: State) => void): void {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) void follow(first);
  });
}
