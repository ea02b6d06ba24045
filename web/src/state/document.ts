// What is edited: picture, map, points, method and its values; and everything that changes them.
import { batch, computed, signal } from "@preact/signals";
import {
  ask,
  type Draft,
  type Link,
  mapBytes,
  type Pair,
  type PictureInfo,
  type Plan,
  post,
  type RecipeInfo,
  Refusal,
  type Result,
  type SentFile,
  TAB,
} from "../api";
import { lineage } from "../jobs/tree";
import { type Change, History, type TileChange } from "../paint/history";
import { apply, replace } from "../paint/operations";
import { type Box, type Statistics, StrengthMap } from "../paint/strength_map";
import * as places from "./places";
import * as server from "./server";
import * as view from "./view";

export const picture = signal<PictureInfo | null>(null);
export const map = signal<StrengthMap | null>(null);
/** What the tools paint on: the map of what may change, or that of the words that are being placed. */
export const canvas = computed(() => places.current.value?.map ?? map.value);
/** What the whole picture shows, where somebody said so. */
export const caption = signal("");
/** Files of fields, by their name; ids and names only. */
export const files = signal<Record<string, SentFile>>({});
/** The inversion on the shelf that is started from; null: one is made. */
export const inversion = signal<string | null>(null);
export const points = signal<Pair[]>([]);
export const method = signal("differential-diffusion");
export const values = signal<Record<string, Record<string, unknown>>>({});
export const seed = signal(42);
export const count = signal(4);
export const chain = signal<Link[]>([]);
export const edit = signal<string | null>(null); // the edit whose candidates lie in the strip
export const statistics = signal<Statistics>({ share: 0, mean: 0, count: 0 });
/** Counts up with every change of the map; `dirty` says where, for the overlay. */
export const painted = signal<{ version: number; box: Box | null }>({ version: 0, box: null });
export const historyState = signal({ undo: false, redo: false });
export const notice = signal<{ text: string; kind: "fault" | "news" } | null>(null);
export const loading = signal<string | null>(null);
/** The map as the server has it; null: empty or on its way. */
export const mapId = computed(() => {
  void painted.value;
  void settled.value;
  return map.value ? places.known(map.value) : null;
});

export const history = new History();

export const info = computed(() => server.methods.value.find((one) => one.name === method.value) ?? null);
/** Changed values of the present method. */
export const changed = computed(() => values.value[method.value] ?? {});
export const needsMap = computed(() => info.value?.map ?? true);

export function say(text: string, kind: "fault" | "news" = "fault"): void {
  notice.value = { text, kind };
}

export function fault(error: unknown): void {
  if ((error as Error)?.name === "AbortError") return;
  say((error as Error)?.message || String(error));
}

// ---- map -----------------------------------------------------------------------------------------------------------

export function touched(box: Box | null, final = true): void {
  painted.value = { version: painted.value.version + 1, box };
  if (!final) return;
  if (map.value) statistics.value = map.value.statistics();
  historyState.value = { undo: history.canUndo, redo: history.canRedo };
  changedDocument();
}

/** Enter a finished change of the map into the history. */
export function did(change: TileChange | Change | null): void {
  if (change) history.add(change);
  touched(null);
}

export function undo(): void {
  if (!history.canUndo) return;
  history.undo();
  touched(null);
}

export function redo(): void {
  if (!history.canRedo) return;
  history.redo();
  touched(null);
}

export function setPoints(next: Pair[], label = "points"): void {
  const change: Change & { kept: Pair[] } = {
    label,
    bytes: 64,
    kept: points.value,
    swap() {
      const now = points.value;
      points.value = this.kept;
      this.kept = now;
      return null;
    },
  };
  points.value = next;
  history.add(change);
  historyState.value = { undo: true, redo: false };
  changedDocument();
}

export function clearMap(): void {
  const own = canvas.value;
  if (own) did(apply(own, "clear", { x0: 0, y0: 0, x1: own.width, y1: own.height }, () => 0));
}

// ---- pictures ------------------------------------------------------------------------------------------------------

export async function openFile(file: Blob, name: string): Promise<void> {
  loading.value = name;
  try {
    const one = await ask<PictureInfo>("api/pictures", {
      method: "POST",
      body: file,
      headers: { "X-Name": encodeURIComponent(name) },
    });
    if (one.recipe) await restore(one, one.recipe);
    else takePicture(one, []);
  } catch (error) {
    fault(error);
  } finally {
    loading.value = null;
  }
}

export async function openStillLife(): Promise<void> {
  loading.value = "still life";
  try {
    takePicture(await post<PictureInfo>("api/pictures/still-life", { seed: Math.floor(Math.random() * 1000) }), []);
  } catch (error) {
    fault(error);
  } finally {
    loading.value = null;
  }
}

/** Counts up when another picture is taken, so that what was asked for before does not come over it. */
let opened = 0;

/** Make a picture the one that is edited, with an empty map. */
export function takePicture(one: PictureInfo, links: Link[]): void {
  opened++;
  batch(() => {
    notice.value = null;
    picture.value = one;
    history.clear();
    map.value = new StrengthMap(one.width, one.height);
    points.value = [];
    places.clear();
    inversion.value = null;
    caption.value = one.caption ?? "";
    view.finding.value = false;
    chain.value = [...links, { picture: one.id, result: null }];
    edit.value = null;
    view.selected.value = null;
    view.viewport.value = { ...view.viewport.value, fitted: true };
    touched(null);
  });
}

async function restore(one: PictureInfo, recipe: RecipeInfo): Promise<void> {
  const source = recipe.picture;
  const missing = [...recipe.missing];
  const bytes = recipe.map ? await mapBytes(recipe.map).catch(() => null) : null;
  batch(() => {
    takePicture(source ?? one, []);
    const own = map.value;
    if (own && bytes && bytes.length === own.data.length) replace(own, "restore", bytes);
    history.clear();
    points.value = recipe.points;
    files.value = recipe.files;
    inversion.value = recipe.inversion;
    method.value = recipe.method;
    values.value = { ...values.value, [recipe.method]: recipe.parameters };
    seed.value = recipe.seed + recipe.index;
    count.value = 1;
    touched(null);
    const { width, height } = source ?? one;
    void places.take(recipe.places, width, height).then(changedDocument);
    say(
      missing.length
        ? `Method, values and seed are back. Not here: ${missing.join("; ")}.`
        : "Everything that made it is back: picture, map, words, values and seed.",
      missing.length ? "fault" : "news",
    );
  });
}

/** Accept a result as the next source. */
export async function keep(result: Result): Promise<void> {
  try {
    const one = await post<PictureInfo>(`api/results/${result.id}/keep`);
    const links = chain.value.filter((link) => link.picture === result.picture || chain.value.indexOf(link) >= 0);
    const position = links.findIndex((link) => link.picture === result.picture);
    const before = position < 0 ? [{ picture: result.picture, result: null }] : links.slice(0, position + 1);
    takePicture(one, before);
    caption.value = result.prompt;
    chain.value = [...before, { picture: one.id, result: result.id }];
    changedDocument();
  } catch (error) {
    fault(error);
  }
}

/** Go to a picture of the chain; what came after stays reachable in the history. */
export async function goTo(link: Link): Promise<void> {
  try {
    const one = await ask<PictureInfo>(`api/pictures/${link.picture}/about`);
    const links = chain.value;
    const position = links.findIndex((other) => other.picture === link.picture);
    takePicture(one, []);
    chain.value = position < 0 ? lineage([...server.results.value.values()], link.picture) : links;
    changedDocument();
  } catch (error) {
    fault(error);
  }
}

/** Bring back all that made a result: source, map, points, values, seed. */
export async function reopen(result: Result): Promise<void> {
  try {
    const one = await ask<PictureInfo>(`api/results/${result.id}/restore`);
    if (one.recipe) await restore(one, one.recipe);
    view.selected.value = result.id;
    edit.value = result.edit;
  } catch (error) {
    fault(error);
  }
}

// ---- values --------------------------------------------------------------------------------------------------------

export function setValue(name: string, value: unknown): void {
  const own = { ...changed.value };
  const field = info.value?.fields.find((one) => one.name === name);
  if (value === undefined || (field && JSON.stringify(field.default) === JSON.stringify(value))) delete own[name];
  else own[name] = value;
  values.value = { ...values.value, [method.value]: own };
  changedDocument();
}

export function setFile(name: string, file: SentFile | null): void {
  const { [name]: _gone, ...others } = files.value;
  files.value = file ? { ...others, [name]: file } : others;
  changedDocument();
}

export function valueOf(name: string): unknown {
  const own = changed.value;
  return name in own ? own[name] : info.value?.fields.find((one) => one.name === name)?.default;
}

/** Change the method; words that both have are carried over. */
export function setMethod(name: string): void {
  const from = changed.value;
  const target = server.methods.value.find((one) => one.name === name);
  const carried: Record<string, unknown> = {};
  for (const word of ["prompt", "negative_prompt", "source_prompt"])
    if (word in from && target?.fields.some((field) => field.name === word)) carried[word] = from[word];
  values.value = { ...values.value, [name]: { ...(values.value[name] ?? {}), ...carried } };
  method.value = name;
  if (target?.points) view.tool.value = "points";
  else if (view.tool.value === "points") view.tool.value = "brush";
  changedDocument();
}

// ---- draft, map and plan on their way to the server ----------------------------------------------------------------

let timer: ReturnType<typeof setTimeout> | null = null;
let sending: Promise<void> | null = null;
export const settled = signal(true);
/** Counts up whenever the server has every map that is painted: what follows the brush need not wait for the cost. */
export const mapsThere = signal(0);

export function changedDocument(): void {
  settled.value = false;
  if (timer) clearTimeout(timer);
  timer = setTimeout(() => void settle(), view.haste.value ?? 350);
}

/** Send the map if it is new, then the draft, then ask for the plan; resolves when the server has everything. */
export async function settle(): Promise<void> {
  if (timer) clearTimeout(timer);
  timer = null;
  if (sending) {
    if (view.haste.value !== null) asking?.abort(); // the next stroke does not wait for the cost of the one before
    await sending.catch(() => undefined);
  }
  sending = send();
  try {
    await sending;
    if (!timer) settled.value = true;
  } catch (error) {
    fault(error);
  } finally {
    sending = null;
  }
}

async function send(): Promise<void> {
  const own = map.value;
  if (own && statistics.value.count) await places.idOf(own);
  await places.settle();
  mapsThere.value++;
  await sendDraft(false);
  await ask_plan();
}

export function draft(): Omit<Draft, "version"> {
  return {
    tab: TAB,
    picture: picture.value,
    map: sentMap(),
    points: points.value,
    places: places.kept(),
    files: files.value,
    inversion: inversion.value,
    method: method.value,
    values: values.value,
    seed: seed.value,
    count: count.value,
    edit: edit.value,
    chain: chain.value,
  };
}

export async function sendDraft(force: boolean): Promise<void> {
  try {
    const { version } = await ask<{ version: number }>("api/draft", {
      method: "PUT",
      json: { ...draft(), version: server.draftVersion.value, force },
    });
    server.draftVersion.value = version;
    if (force) server.elsewhere.value = 0;
  } catch (error) {
    if (error instanceof Refusal && error.status === 409)
      server.elsewhere.value = (error.detail as { version: number }).version;
    else throw error;
  }
}

/** Take the document as the server has it. */
export async function takeDraft(one: Draft): Promise<void> {
  const before = opened;
  const bytes = one.map ? await mapBytes(one.map).catch(() => null) : null;
  server.draftVersion.value = Math.max(server.draftVersion.value, one.version);
  if (before !== opened || loading.value) return; // another picture was opened meanwhile: that is what is wanted
  batch(() => {
    server.elsewhere.value = 0;
    method.value = one.method;
    values.value = one.values;
    seed.value = one.seed;
    count.value = one.count;
    points.value = one.points;
    files.value = one.files ?? {};
    inversion.value = one.inversion ?? null;
    chain.value = one.chain;
    edit.value = one.edit;
    history.clear();
    picture.value = one.picture;
    if (one.picture) {
      const { width, height } = one.picture;
      map.value = new StrengthMap(width, height, bytes?.length === width * height ? bytes : undefined);
      statistics.value = map.value.statistics();
      if (bytes && one.map) places.remember(map.value, one.map);
      painted.value = { version: painted.value.version + 1, box: null };
    }
    historyState.value = { undo: false, redo: false };
    view.viewport.value = { ...view.viewport.value, fitted: true };
  });
  if (one.picture) await places.take(one.places ?? [], one.picture.width, one.picture.height);
  await ask_plan().catch(fault);
}

/** Id of the map that is sent with the document: none while nothing is painted. */
export function sentMap(): string | null {
  return map.value && statistics.value.count ? places.known(map.value) : null;
}

let asking: AbortController | null = null;

export function request(): Record<string, unknown> {
  return {
    picture: picture.value?.id ?? null,
    map: sentMap(),
    method: method.value,
    parameters: changed.value,
    points: points.value,
    places: info.value?.places ? places.asked() : [],
    files: Object.fromEntries(
      Object.entries(files.value)
        .filter(([name]) => info.value?.fields.some((field) => field.kind === "file" && field.name === name))
        .map(([name, one]) => [name, one.id]),
    ),
    inversion: info.value?.inversion ? inversion.value : null,
    seed: seed.value,
    count: count.value,
    empty_map: needsMap.value && statistics.value.count === 0,
  };
}

async function ask_plan(): Promise<void> {
  asking?.abort();
  if (!picture.value) {
    server.plan.value = null;
    return;
  }
  asking = new AbortController();
  try {
    server.plan.value = await ask<Plan>("api/plan", { method: "POST", json: request(), signal: asking.signal });
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error;
  }
}

/** Queue the edit as it stands. */
export async function run(front = false): Promise<void> {
  if (!picture.value) return;
  try {
    await settle();
    const answer = await post<{ edit: string }>("api/jobs", { ...request(), front });
    edit.value = view.awaited.value = answer.edit;
    view.selected.value = null;
    notice.value = null;
    changedDocument();
  } catch (error) {
    if (error instanceof Refusal && error.status === 422) server.plan.value = (error.detail as { plan: Plan }).plan;
    else fault(error);
  }
}

export async function stop(now = false): Promise<void> {
  try {
    await post("api/jobs/cancel", { edit: server.working.value[0]?.edit ?? null, now });
  } catch (error) {
    fault(error);
  }
}

export async function pauseQueue(paused: boolean): Promise<void> {
  try {
    await post("api/queue", { paused });
  } catch (error) {
    fault(error);
  }
}
