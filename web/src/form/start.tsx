// The inversion shelf: paths back to a picture, made once, named, and started from as often as wanted.
import { useSignal } from "@preact/signals";
import { ask, post } from "../api";
import { Icon } from "../icons";
import * as doc from "../state/document";
import * as server from "../state/server";
import * as view from "../state/view";

/** How exactly an inversion leads back, in a person's words. */
export function exactness(error: Record<string, number>): string {
  const psnr = error.psnr ?? error.image_psnr;
  if (psnr !== undefined) return `${psnr.toFixed(1)} dB`;
  const [name, value] = Object.entries(error)[0] ?? [];
  return name === undefined ? "" : `${name.replace(/_/g, " ")} ${value!.toPrecision(2)}`;
}

export function Start() {
  const busy = useSignal(false);
  if (!doc.info.value?.inversion) return null;
  const fitting = server.inversions.value.filter((one) => one.picture === doc.picture.value?.id);
  const keep = async (): Promise<void> => {
    busy.value = true;
    try {
      await doc.settle();
      doc.inversion.value = (await post<{ id: string }>("api/inversions", doc.request())).id;
      doc.changedDocument();
    } catch (error) {
      doc.fault(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <div class="entry">
      <div class="row start">
        <label for="start">Starts from</label>
        <select
          id="start"
          value={doc.inversion.value ?? ""}
          onChange={(event) => {
            doc.inversion.value = event.currentTarget.value || null;
            doc.changedDocument();
          }}
        >
          <option value="">a new inversion</option>
          {fitting.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
            </option>
          ))}
        </select>
        {doc.inversion.value ? (
          <button type="button" class="iconic" aria-label="The inversion shelf" title="The inversion shelf" aria-haspopup="dialog" onClick={() => (view.dialog.value = "shelf")}>
            <Icon name="open" size={16} />
          </button>
        ) : (
          <button type="button" class="button small" disabled={busy.value || server.model.value.state !== "ready"} title="Invert once, keep it, and pay only the steps from then on" onClick={() => void keep()}>
            {busy.value ? "Inverting…" : "Keep it"}
          </button>
        )}
      </div>
    </div>
  );
}

export function ShelfList() {
  const all = server.inversions.value;
  if (!all.length) return <p class="dim">No inversion is kept yet. Choose a method that inverts, then "Keep it" beside "Starts from".</p>;
  return (
    <ul class="inversions">
      {all.map((one) => (
        <li key={one.id}>
          <img src={`api/pictures/${one.picture}/display?max=160`} alt="" />
          <span>
            <input
              class="text"
              aria-label={`Name of the inversion ${one.name}`}
              value={one.name}
              onChange={(event) =>
                void ask(`api/inversions/${one.id}`, { method: "PATCH", json: { name: event.currentTarget.value } }).catch(doc.fault)
              }
            />
            <small class="dim">
              {one.kind}, {one.steps - one.first} of {one.steps} steps, {exactness(one.error)}, {(one.bytes / 1e6).toFixed(1)} MB
            </small>
          </span>
          <button
            type="button"
            class="iconic"
            aria-label={`Throw ${one.name} away`}
            onClick={() => {
              if (doc.inversion.value === one.id) doc.inversion.value = null;
              void ask(`api/inversions/${one.id}`, { method: "DELETE" }).then(doc.changedDocument, doc.fault);
            }}
          >
            <Icon name="clear" size={16} />
          </button>
        </li>
      ))}
    </ul>
  );
}
