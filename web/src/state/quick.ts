// Pictures that are looked at and not kept: the edit that follows the brush, and the whole picture at eight strengths.
import { computed, effect, signal } from "@preact/signals";
import { Refusal } from "../api";
import * as doc from "./document";
import * as server from "./server";
import * as view from "./view";

/** The whole picture at one strength. */
export interface Look {
  strength: number;
  picture: string;
}

export const liveMode = signal(false);
/** What the edit would make now, while live mode is on; made in few steps and never kept. */
export const live = signal<string | null>(null);
export const liveBusy = signal(false);
/** Eight strengths by their look, and what they were made for. */
const made = signal<{ of: string; looks: Look[] } | null>(null);
export const fanOpen = signal(false);
export const fanBusy = signal(false);
export const fanShown = signal<string | null>(null);
/** Whether what is painted shows the picture of its strength in place of a hatch. */
export const through = signal(false);

let liveAsked = "";
let liveAsking: AbortController | null = null;
const liveTimes: number[] = [];

async function quick(path: string, signal?: AbortSignal): Promise<Response> {
  const answer = await fetch(path, {
    signal,
    method: "POST",
    headers: { "X-Scumble": "1", "Content-Type": "application/json" },
    body: JSON.stringify({ ...doc.request(), count: 1 }),
  });
  if (!answer.ok) throw new Refusal(((await answer.json()) as { error: string }).error, answer.status);
  return answer;
}

// ---- live

effect(() => {
  const mean = liveTimes.reduce((sum, one) => sum + one, 0) / Math.max(1, liveTimes.length);
  void live.value;
  // none to speak of while live pictures come quickly, else until the hand rests
  view.haste.value = liveMode.value ? (mean < 1500 ? 30 : 250) : null;
});

let mapsSeen = 0;
effect(() => {
  const due = doc.settled.value || doc.mapsThere.value !== mapsSeen; // a stroke need not wait for its cost
  mapsSeen = doc.mapsThere.value;
  if (liveMode.value && due && !server.working.value.length) queueMicrotask(() => void follow());
});

effect(() => {
  void doc.picture.value;
  fanOpen.value = false;
  fanShown.value = null;
  forget();
});

function forget(): void {
  const before = live.peek();
  if (before) URL.revokeObjectURL(before);
  live.value = null;
}

/** Ask for the picture of the present document if it is another one than was asked for last; the newest wins. */
async function follow(): Promise<void> {
  const wanted = JSON.stringify(doc.request());
  if (!liveMode.value || !doc.picture.value || wanted === liveAsked || document.hidden) return;
  if (server.working.value.length || !doc.statistics.value.count || !doc.sentMap()) return;
  liveAsking?.abort(); // the server stops that one at its next step
  const asking = new AbortController();
  liveAsking = asking;
  liveBusy.value = true;
  liveAsked = wanted;
  const began = performance.now();
  try {
    const url = URL.createObjectURL(await (await quick("api/live", asking.signal)).blob());
    if (!liveMode.value || liveAsking !== asking) return URL.revokeObjectURL(url);
    liveTimes.push(performance.now() - began);
    if (liveTimes.length > 10) liveTimes.shift();
    forget();
    live.value = url;
  } catch (error) {
    if (error instanceof Refusal && error.status === 409) liveAsked = ""; // an edit went first: ask again after it
    else doc.fault(error);
  } finally {
    if (liveAsking === asking) {
      liveBusy.value = false;
      liveAsking = null;
    }
  }
}

export function toggleLive(): void {
  liveMode.value = !liveMode.value;
  liveAsked = "";
  if (liveMode.value) through.value = false;
  else {
    liveAsking?.abort();
    forget();
  }
}

// ---- the fan

/** What decides how the strengths look: everything but the map. */
const asked = computed(() => {
  void doc.settled.value;
  return JSON.stringify({ ...doc.request(), map: null, count: 1, empty_map: false });
});
export const fan = computed(() => (made.value && made.value.of === asked.value ? made.value.looks : null));
/** The strengths that show through what is painted, while they are those of the present words and values. */
export const shownThrough = computed(() => (through.value ? fan.value : null));

export async function openFan(): Promise<void> {
  if (fan.value) {
    fanOpen.value = !fanOpen.value;
    return;
  }
  fanBusy.value = true;
  try {
    await doc.settle();
    const of = asked.value;
    made.value = { of, looks: (await (await quick("api/fan")).json()) as Look[] };
    fanOpen.value = true;
  } catch (error) {
    doc.fault(error);
  } finally {
    fanBusy.value = false;
  }
}

export function closeFan(): void {
  fanOpen.value = false;
  fanShown.value = null;
}

/** Paint with results: what is painted shows the picture of its strength. */
export function toggleThrough(): void {
  through.value = !through.value;
  if (through.value && liveMode.value) toggleLive();
}
