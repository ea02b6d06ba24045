// A map from a word: type the thing, see where it is, paint on it.
import { useSignal } from "@preact/signals";
import { mapBytes, post } from "../api";
import * as operations from "../paint/operations";
import * as doc from "../state/document";
import * as places from "../state/places";
import * as server from "../state/server";
import * as view from "../state/view";
import { percent } from "./notes";

/** What the whole picture shows, as far as it is known. */
function caption(): string {
  const typed = doc.caption.value || doc.valueOf("source_prompt") || doc.valueOf("prompt");
  return Array.isArray(typed) ? String(typed[0] ?? "") : String(typed ?? "");
}

function focused(own: HTMLInputElement | null): void {
  if (own?.value === "") own.focus();
}

export function Find() {
  const word = useSignal(places.current.value?.text ?? "");
  const shows = useSignal(caption());
  const rest = useSignal(false);
  const busy = useSignal(false);
  const words = useSignal<{ text: string; fault: boolean } | null>(null);
  const find = async (): Promise<void> => {
    busy.value = true;
    words.value = null;
    try {
      const picture = doc.picture.value!;
      const thing = `${rest.value ? "not:" : ""}${word.value.trim()}`;
      const found = await post<{ id: string; share: number }>("api/maps/words", { picture: picture.id, word: thing, caption: shows.value });
      const bytes = await mapBytes(found.id);
      const map = doc.canvas.value;
      if (doc.picture.value?.id !== picture.id || !map) return;
      doc.caption.value = shows.value;
      const strength = Math.round(view.strength.value * 255) || 255;
      const box = { x0: 0, y0: 0, x1: map.width, y1: map.height };
      doc.did(operations.apply(map, "find", box, (x, y, value) => (bytes[y * map.width + x] ? strength : value)));
      words.value = { text: `${percent(found.share)} % of the picture, at strength ${(strength / 255).toFixed(2)}. Paint on it, or undo.`, fault: false };
    } catch (error) {
      words.value = { text: (error as Error).message, fault: true };
    } finally {
      busy.value = false;
    }
  };
  return (
    <form
      class="find"
      data-floating
      aria-label="Find by a word"
      onSubmit={(event) => {
        event.preventDefault();
        void find();
      }}
    >
      <label>
        Find
        <input class="text" autocomplete="off" placeholder="the cube" value={word.value} maxLength={200} ref={focused} onInput={(event) => (word.value = event.currentTarget.value)} />
      </label>
      <label>
        The picture shows
        <input class="text" autocomplete="off" placeholder="a red cube and a blue ball on sand" maxLength={4000} value={shows.value} onInput={(event) => (shows.value = event.currentTarget.value)} />
      </label>
      <span class="last">
        <label class="inline">
          <input type="checkbox" class="switch" role="switch" checked={rest.value} onChange={(event) => (rest.value = event.currentTarget.checked)} /> All but it
        </label>
        <button type="submit" class="button first" disabled={busy.value || !word.value.trim() || server.model.value.state !== "ready"}>
          {busy.value ? "Looking…" : "Find it"}
        </button>
      </span>
      {words.value && (
        <p class={words.value.fault ? "fault" : "dim small"} role="status">
          {words.value.text}
        </p>
      )}
    </form>
  );
}
