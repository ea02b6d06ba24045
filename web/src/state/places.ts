// Words with a place or a weight: each has a map of its own, painted with the same tools; one of them is the canvas.
import { computed, signal } from "@preact/signals";
import { mapBytes, type Place, sendMap } from "../api";
import { StrengthMap } from "../paint/strength_map";

/** What a text does where it holds: take the main words' place, or pull towards itself or away on top of them. */
export interface Weight {
  mode: "blend" | "add";
  weight: number;
  begin: number; // share of the steps after which it holds
  end: number; // share of the steps until which it holds
}

export interface Layer extends Weight {
  key: number;
  text: string;
  map: StrengthMap;
}

export const MOST = 6; // as many as there are colors and directions of the hatch that are told apart
export const PLACED: Weight = { mode: "blend", weight: 1, begin: 0, end: 1 };
export const ADDED: Weight = { mode: "add", weight: 4, begin: 0, end: 1 };

export const layers = signal<Layer[]>([]);
/** Key of the layer that the tools paint on; 0: the map of what may change. */
export const active = signal(0);
export const current = computed(() => layers.value.find((one) => one.key === active.value) ?? null);

/** Map and revision -> the id that the server gave it. */
const sent = new WeakMap<StrengthMap, { revision: number; id: string }>();
let keys = 0;

export function add(width: number, height: number, text = "", data?: Uint8Array, as: Weight = PLACED): void {
  const layer = { ...as, key: ++keys, text, map: new StrengthMap(width, height, data) };
  layers.value = [...layers.value, layer];
  active.value = layer.key;
}

export function change(key: number, what: Partial<Omit<Layer, "key" | "map">>): void {
  layers.value = layers.value.map((one) => (one.key === key ? { ...one, ...what } : one));
}

export function remove(key: number): void {
  layers.value = layers.value.filter((one) => one.key !== key);
  if (active.value === key) active.value = 0;
}

export function clear(): void {
  layers.value = [];
  active.value = 0;
}

/** The id of a map on the server; it is sent when it is new. */
export async function idOf(map: StrengthMap): Promise<string> {
  const revision = map.revision;
  const known = sent.get(map);
  if (known?.revision === revision) return known.id;
  const { id } = await sendMap(map.width, map.height, map.data);
  sent.set(map, { revision, id });
  return id;
}

/** Remember that the server has a map already. */
export function remember(map: StrengthMap, id: string): void {
  sent.set(map, { revision: map.revision, id });
}

export function known(map: StrengthMap): string | null {
  const one = sent.get(map);
  return one?.revision === map.revision ? one.id : null;
}

/** Send what is new; afterwards `asked` names all maps. */
export async function settle(): Promise<void> {
  for (const one of layers.value) if (one.map.statistics().count) await idOf(one.map);
}

const said = ({ text, mode, weight, begin, end }: Layer, map: string | null): Place => ({ text, map, mode, weight, begin, end });

/** What the server is asked: words that are written, and painted where they need a place. */
export function asked(): Place[] {
  return layers.value
    .map((one) => ({ ...said(one, one.map.statistics().count ? known(one.map) : null), text: one.text.trim() }))
    .filter((one) => one.text && (one.map || one.mode === "add"));
}

/** As the draft keeps them, unfinished ones too. */
export function kept(): Place[] {
  return layers.value.map((one) => said(one, one.map.statistics().count ? known(one.map) : null));
}

/** Take places as a draft or a recipe has them. */
export async function take(places: Place[], width: number, height: number): Promise<void> {
  const bytes = await Promise.all(places.map((one) => (one.map ? mapBytes(one.map).catch(() => null) : null)));
  clear();
  places.forEach(({ text, map, ...weight }, k) => {
    const data = bytes[k];
    const fits = data?.length === width * height;
    add(width, height, text, fits ? data : undefined, { ...PLACED, ...weight });
    const layer = layers.value[layers.value.length - 1]!;
    if (fits && map) remember(layer.map, map);
  });
  active.value = 0;
}
