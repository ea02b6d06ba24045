// Words for a place, and words to add or take away: a text, the hatch that shows where it holds, its weight and steps.
import { computed } from "@preact/signals";
import { Icon } from "../icons";
import * as operations from "../paint/operations";
import { percent } from "../stage/notes";
import { regionColor } from "../stage/overlay";
import * as doc from "../state/document";
import * as places from "../state/places";
import * as view from "../state/view";
import { Fault, faultOf } from "./fields";
import { Small } from "./small";

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

/** Color of a layer's hatch, for what stands beside its text. */
export const hatchColor = (k: number): Record<string, string> => ({ "--c": `rgb(${regionColor(view.palette.value, k + 1).join(" ")})` });

export function Places() {
  const info = doc.info.value;
  const picture = doc.picture.value;
  const layers = places.layers.value;
  if (!info?.places)
    return layers.length ? <p class="dim small">{info?.title} takes one text for the whole picture: the others wait.</p> : null;
  const begin = (as: places.Weight): void => {
    places.add(picture!.width, picture!.height, "", undefined, as);
    if (!["brush", "eraser", "gradient", "lasso"].includes(view.tool.value)) view.tool.value = "brush";
    view.selected.value = null;
    requestAnimationFrame(() => document.querySelector<HTMLElement>(".place[data-active] .text")?.focus());
  };
  return (
    <div class="places">
      {layers.map((one, k) => (
        <Layer key={one.key} layer={one} k={k} />
      ))}
      <Fault text={faultOf("places")} />
      {layers.length < places.MOST && (
        <>
          <button type="button" class="more small" disabled={!picture} onClick={() => begin(places.PLACED)}>
            <span>Words for a place</span>
            <Icon name="plus" size={14} />
          </button>
          <button type="button" class="more small" disabled={!picture} onClick={() => begin(places.ADDED)}>
            <span>More or less of something</span>
            <Icon name="plus" size={14} />
          </button>
        </>
      )}
    </div>
  );
}

function Layer({ layer, k }: { layer: places.Layer; k: number }) {
  const { key, text, mode, weight } = layer;
  const isActive = places.active.value === key;
  const added = mode === "add";
  const name = text || `text ${k + 1}`;
  const set = (what: Partial<places.Weight>): void => {
    places.change(key, what);
    doc.changedDocument();
  };
  return (
    <>
      <div class="place" data-active={isActive ? "" : undefined}>
        <button
          type="button"
          class="hatch"
          data-direction={k + 1}
          style={hatchColor(k)}
          aria-pressed={isActive}
          aria-label={`Paint where ${name} holds`}
          title={added ? "Paint where this is added; everywhere while nothing is painted" : "Paint where this holds"}
          onClick={() => (places.active.value = isActive ? 0 : key)}
        />
        <input
          class="text"
          aria-label={added ? `Words to add ${k + 1}` : `Words for place ${k + 1}`}
          placeholder={added ? "sunset, or what shall be less" : "What shall be in this place"}
          autocomplete="off"
          maxLength={4000}
          value={text}
          onFocus={() => (places.active.value = key)}
          onInput={(event) => {
            places.change(key, { text: event.currentTarget.value });
            doc.changedDocument();
          }}
        />
        <Small
          label={`Weight of ${name}`}
          title={added ? "How strongly it is added; below 0 it is taken away. Usual: -8 to 8" : "Its share beside the other words. Usual: 1"}
          value={weight}
          signed={added}
          change={(value) => set({ weight: value })}
        />
        <button
          type="button"
          class="iconic"
          aria-label={`Remove ${name}`}
          onClick={() => {
            places.remove(key);
            doc.touched(null);
          }}
        >
          <Icon name="close" size={14} />
        </button>
      </div>
      {isActive && <Hint layer={layer} set={set} />}
    </>
  );
}

function Hint({ layer, set }: { layer: places.Layer; set: (what: Partial<places.Weight>) => void }) {
  const now = freed.value;
  const free = (): void => {
    const map = doc.map.value!;
    const { data, width } = layer.map;
    doc.did(operations.apply(map, "free a place", { x0: 0, y0: 0, x1: map.width, y1: map.height }, (x, y, value) => Math.max(value, data[y * width + x]!)));
  };
  const steps = (name: "begin" | "end", label: string) => (
    <Small label={label} title="Share of the steps, in percent" value={Math.round(layer[name] * 100)} change={(value) => set({ [name]: value / 100 })} />
  );
  return (
    <div class="place-more dim small">
      <p>
        {!now?.share ? (
          layer.mode === "add" ? (
            <>{layer.weight < 0 ? "Less" : "More"} of it everywhere. Paint to keep it to a place.</>
          ) : (
            "Paint where it shall be, or find it by a word."
          )
        ) : (
          <>
            On {percent(now.share)} % of the picture
            {now.free < 0.995 && (
              <>
                , of which {percent(1 - now.free)} % may not change yet.{" "}
                <button type="button" class="link" onClick={free}>
                  Let it change
                </button>
              </>
            )}
          </>
        )}
      </p>
      <p class="steps">
        Steps {steps("begin", "Holds from percent of the steps")} to {steps("end", "Holds until percent of the steps")} %
      </p>
    </div>
  );
}
