// Words for a place: each line is a text, the hatch that shows where it holds, and what that place may do.
import { computed } from "@preact/signals";
import { Icon } from "../icons";
import * as operations from "../paint/operations";
import { percent } from "../stage/notes";
import * as doc from "../state/document";
import * as places from "../state/places";
import * as view from "../state/view";
import { Fault, faultOf } from "./fields";

/** Share of a place's pixels that the map lets change. */
const freed = computed(() => {
  const layer = places.current.value;
  void doc.statistics.value; // set with every finished change
  const map = doc.map.value;
  if (!layer || !map) return null;
  let inside = 0;
  let free = 0;
  for (let k = 0; k < map.data.length; k++)
    if (layer.map.data[k]) {
      inside++;
      if (map.data[k]) free++;
    }
  return inside ? { share: inside / map.data.length, free: free / inside } : { share: 0, free: 1 };
});

export function Places() {
  const info = doc.info.value;
  const picture = doc.picture.value;
  const layers = places.layers.value;
  if (!info?.places)
    return layers.length ? <p class="dim small">{info?.title} takes one text for the whole picture: those for places wait.</p> : null;
  const begin = (): void => {
    places.add(picture!.width, picture!.height);
    if (!["brush", "eraser", "gradient", "lasso"].includes(view.tool.value)) view.tool.value = "brush";
    view.selected.value = null;
    requestAnimationFrame(() => document.querySelector<HTMLElement>(".place:last-of-type input")?.focus());
  };
  return (
    <div class="places">
      {layers.map((one, k) => (
        <div key={one.key} class="place" data-active={places.active.value === one.key ? "" : undefined}>
          <button
            type="button"
            class="hatch"
            data-direction={k + 1}
            aria-pressed={places.active.value === one.key}
            aria-label={`Paint where ${one.text || `text ${k + 1}`} holds`}
            title="Paint where this holds"
            onClick={() => (places.active.value = places.active.value === one.key ? 0 : one.key)}
          />
          <input
            class="text"
            aria-label={`Words for place ${k + 1}`}
            placeholder="What shall be in this place"
            autocomplete="off"
            maxLength={4000}
            value={one.text}
            onFocus={() => (places.active.value = one.key)}
            onInput={(event) => {
              places.rename(one.key, event.currentTarget.value);
              doc.changedDocument();
            }}
          />
          <button
            type="button"
            class="iconic"
            aria-label={`Remove place ${k + 1}`}
            onClick={() => {
              places.remove(one.key);
              doc.touched(null);
            }}
          >
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
      {places.current.value && <Hint />}
      <Fault text={faultOf("places")} />
      {layers.length < places.MOST && (
        <button type="button" class="more small" disabled={!picture} onClick={begin}>
          <span>Words for a place</span>
          <Icon name="plus" size={14} />
        </button>
      )}
    </div>
  );
}

function Hint() {
  const layer = places.current.value!;
  const now = freed.value;
  const free = (): void => {
    const map = doc.map.value!;
    const { data, width } = layer.map;
    doc.did(operations.apply(map, "free a place", { x0: 0, y0: 0, x1: map.width, y1: map.height }, (x, y, value) => Math.max(value, data[y * width + x]!)));
  };
  if (!now?.share) return <p class="dim small">Paint where it shall be, or find it by a word.</p>;
  return (
    <p class="dim small">
      On {percent(now.share)} % of the picture
      {now.free < 0.995 && (
        <>
          , of which {percent(1 - now.free)} % may not change yet.{" "}
          <button type="button" class="link" onClick={free}>
            Let it change
          </button>
        </>
      )}
    </p>
  );
}
