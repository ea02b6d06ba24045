// What the server says and takes: types of its answers, and one way to ask.

export interface PictureInfo {
  id: string; // SHA-256 of the file's bytes
  name: string;
  width: number;
  height: number;
  alpha: boolean;
  caption?: string; // of a still life
  recipe: RecipeInfo | null;
}

/** What a dropped result brings back; `missing` names what is not there. */
export interface RecipeInfo {
  method: string;
  parameters: Record<string, unknown>;
  seed: number;
  index: number;
  count: number;
  picture: PictureInfo | null;
  map: string | null;
  points: Pair[];
  places: Place[];
  files: Record<string, SentFile>;
  inversion: string | null;
  missing: string[];
}

/** Words that hold where a map says, or that are added with a weight of either sign. */
export interface Place {
  text: string;
  map: string | null;
  mode?: "blend" | "add";
  weight?: number;
  begin?: number;
  end?: number;
}

/** An inversion on the shelf. */
export interface Inversion {
  id: string;
  name: string;
  picture: string | null;
  kind: string;
  steps: number;
  first: number;
  error: Record<string, number>;
  bytes: number;
  created: number;
}

/** Two results side by side. */
export interface Differences {
  fields: [string, unknown, unknown][];
  share: number | null;
  largest: number | null;
}

export type Pair = [number, number, number, number];

export interface Field {
  name: string;
  label: string;
  help: string;
  group: "words" | "how-much" | "points" | "advanced";
  kind: "text" | "number" | "integer" | "choice" | "switch" | "points" | "pair" | "list" | "table" | "file" | "json";
  nullable: boolean;
  auto: string;
  min: number | null;
  max: number | null;
  open: boolean; // the minimum itself is not allowed
  step: number | null;
  usual: [number, number] | null;
  choices: string[];
  accepts: string; // of a file: image or text
  default: unknown;
}

export interface MethodInfo {
  name: string;
  title: string;
  task: string;
  summary: string;
  brief: string;
  card: boolean; // whether a small picture of before and after is there
  paper: string;
  points: boolean;
  places: boolean; // takes words with a map each
  inversion: boolean; // can start from the shelf
  map: boolean;
  releases: boolean; // whether a strength says until which step a pixel is held
  unfit: string | null;
  together: boolean; // candidates are looked at together: one request makes them all
  fields: Field[];
}

export type JobState =
  | "queued"
  | "running"
  | "cancelling"
  | "done"
  | "failed"
  | "cancelled"
  | "interrupted";

export interface Job {
  id: number;
  edit: string;
  k: number;
  count: number;
  state: JobState;
  method: string;
  prompt: string;
  seed: number;
  picture: string;
  live: boolean;
  stage: string;
  step: number;
  steps: number;
  left: [number, number] | null; // seconds
  preview: number;
  silent: boolean; // no sign of life for a while: "stop now" is offered
  error: string | null;
  results: string[];
}

export interface Proof {
  protected: number;
  changed: number;
  free: number;
  mean: number;
  max: number;
}

export interface Result {
  id: string;
  edit: string;
  job: number;
  k: number;
  file: string;
  width: number;
  height: number;
  method: string;
  prompt: string;
  seed: number;
  picture: string;
  map: string | null;
  forward: number | null; // null: found in the folder, whose files do not say what they cost
  backward: number | null;
  calls: number | null;
  seconds: number | null;
  proof: Proof | null;
  notices: string[];
  arrival: number[];
  command: string;
  model: string | null;
  kept?: string; // the picture that it became when it was accepted
  star: boolean;
  created: number;
}

export interface Link {
  picture: string;
  result: string | null;
}

/** A file for a field of a method, known by its hash. */
export interface SentFile {
  id: string;
  name: string;
}

export interface Draft {
  version: number;
  tab: string;
  picture: PictureInfo | null;
  map: string | null;
  points: Pair[];
  places?: Place[];
  files?: Record<string, SentFile>;
  inversion?: string | null;
  method: string;
  values: Record<string, Record<string, unknown>>;
  seed: number;
  count: number;
  edit: string | null;
  chain: Link[];
}

export interface ModelInfo {
  name: string;
  chosen: string;
  state: "starting" | "loading" | "ready" | "failed" | "gone";
  device: string;
  milliseconds: number | null; // a row
  about: string;
  error: string | null;
  choices: string[];
}

export interface State {
  sequence: number;
  version: string;
  folder: string;
  draft: Draft | null;
  jobs: Job[];
  results: Result[];
  inversions: Inversion[];
  model: ModelInfo;
  queue: { paused: boolean; reason: string };
  methods: MethodInfo[];
  stillLife: boolean;
}

export interface Plan {
  ok: boolean;
  faults: { field: string; message: string }[];
  refusal: string | null;
  rows: [number, number] | null;
  calls: [number, number] | null;
  seconds: [number, number] | null;
  bytes: number | null;
  release: number[] | null; // strength 0..255 -> the step that frees it
  steps: number;
  command: string;
  python: string;
  warnings: string[];
}

/** An answer that is not a success; its message is meant for people. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly detail: unknown = null,
  ) {
    super(message);
  }
}

export const TAB = Math.random().toString(36).slice(2, 10);

export async function ask<T>(path: string, options: RequestInit & { json?: unknown } = {}): Promise<T> {
  const { json, ...rest } = options;
  const headers = new Headers(rest.headers);
  headers.set("X-Scumble", "1");
  headers.set("X-Tab", TAB);
  if (json !== undefined) headers.set("Content-Type", "application/json");
  let answer: Response;
  try {
    answer = await fetch(path, { ...rest, headers, body: json === undefined ? rest.body : JSON.stringify(json) });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Refusal("The studio does not answer. Is it still running in the terminal? Nothing is lost.", 0);
  }
  if (!answer.ok) {
    const body = (await answer.json().catch(() => ({}))) as { error?: string };
    throw new Refusal(body.error ?? `The studio answered ${answer.status}.`, answer.status, body);
  }
  return (await answer.json()) as T;
}

export const post = <T>(path: string, json: unknown = {}): Promise<T> => ask<T>(path, { method: "POST", json });

export async function deflated(bytes: Uint8Array): Promise<Blob> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Response(stream).blob();
}

export async function sendMap(width: number, height: number, data: Uint8Array): Promise<{ id: string }> {
  return ask("api/maps", { method: "POST", body: await deflated(data), headers: { "X-Size": `${width}x${height}` } });
}

export async function mapBytes(id: string): Promise<Uint8Array> {
  const answer = await fetch(`api/maps/${id}`);
  if (!answer.ok) throw new Refusal("That map is not in this folder any more.", answer.status);
  return new Uint8Array(await answer.arrayBuffer());
}
