// The map beside the brush: a disc by numbers, out as a file, in again with the question of what white means.
import { useEffect, useState } from "preact/hooks";
import { ask, mapBytes } from "../api";
import { Icon } from "../icons";
import * as operations from "../paint/operations";
import * as doc from "../state/document";
import { close, Dialog } from "./dialog";

interface Imported {
  id: string;
  share: number;
  mean: number;
  notices: string[];
}

export function MapDialog() {
  const [file, setFile] = useState<File | null>(null);
  const [keeps, setKeeps] = useState(false);
  const [shown, setShown] = useState<Imported | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const picture = doc.picture.value!;
  useEffect(() => {
    if (!file) return;
    const asked = new AbortController();
    const polarity = keeps ? "white-keeps" : "white-changes";
    setShown(null); // what is shown and taken is always what was chosen last
    setFault(null);
    ask<Imported>(`api/maps/import?picture=${picture.id}&polarity=${polarity}`, {
      method: "POST",
      body: file,
      headers: { "X-Name": encodeURIComponent(file.name) },
      signal: asked.signal,
    }).then(setShown, (error: Error) => {
      if (error.name !== "AbortError") setFault(error.message);
    });
    return () => asked.abort();
  }, [file, keeps]);
  const take = async (): Promise<void> => {
    const bytes = await mapBytes(shown!.id);
    doc.did(operations.replace(doc.canvas.value!, "import", bytes));
    close();
  };
  return (
    <Dialog title="The map">
      <section class="part">
        <h3>Fill a disc by numbers</h3>
        <Disc />
      </section>
      <section class="part">
        <h3>Export</h3>
        <p class="dim small">A grey PNG: white changes, black is kept. Its hash is what recipes name.</p>
        <button type="button" class="button" disabled={!doc.statistics.value.count} onClick={() => void exportMap()}>
          <Icon name="download" size={16} /> Save the map…
        </button>
      </section>
      <section class="part">
        <h3>Import</h3>
        <label class="button">
          <Icon name="upload" size={16} /> Choose a picture…
          <input
            type="file"
            class="unseen"
            accept="image/*"
            aria-label="Map file"
            onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)}
          />
        </label>
        {fault && <p class="fault">{fault}</p>}
        {file && (
          <>
            <div class="row two-columns">
              <span>What does white mean?</span>
              <span class="segments" role="radiogroup" aria-label="What white means in this map">
                <button type="button" role="radio" aria-checked={!keeps} onClick={() => setKeeps(false)}>
                  Changes
                </button>
                <button type="button" role="radio" aria-checked={keeps} onClick={() => setKeeps(true)}>
                  Keeps
                </button>
              </span>
            </div>
            {shown && (
              <>
                <div class="look-at">
                  <img src={`api/pictures/${picture.id}/display?max=512`} alt="" />
                  <img class="tinted" src={`api/maps/${shown.id}.png?max=512`} alt="The map over the picture" />
                </div>
                <p class="small dim">
                  {(shown.share * 100).toFixed(1)} % of the pixels may change, mean strength {shown.mean.toFixed(2)}
                  {shown.notices.map((text) => `; ${text}`)}
                </p>
                <button type="button" class="button first" onClick={() => void take().catch(doc.fault)}>
                  Use this map
                </button>
              </>
            )}
          </>
        )}
      </section>
    </Dialog>
  );
}

export async function exportMap(): Promise<void> {
  try {
    await doc.settle();
    const id = doc.mapId.value;
    if (!id) return;
    const link = document.createElement("a");
    link.href = `api/maps/${id}.png?download=1`;
    link.download = `${doc.picture.value!.name.replace(/\.[^.]*$/, "")}-map.png`;
    link.click();
  } catch (error) {
    doc.fault(error);
  }
}

function Disc() {
  const [values, setValues] = useState({ x: 50, y: 50, radius: 20, strength: 0.6, hardness: 100 });
  const labels = { x: "Across, %", y: "Down, %", radius: "Radius, %", strength: "Strength", hardness: "Hardness, %" } as const;
  const names = Object.keys(labels) as (keyof typeof labels)[];
  const fill = (): void => {
    const map = doc.canvas.value!;
    const long = Math.max(map.width, map.height);
    const { x, y, radius, strength, hardness } = values;
    doc.did(
      operations.disc(map, (x / 100) * map.width, (y / 100) * map.height, Math.max(0.5, (radius / 100) * long), Math.min(1, Math.max(0, strength)), hardness / 100),
    );
    close();
  };
  return (
    <form
      class="numbers"
      onSubmit={(event) => {
        event.preventDefault();
        fill();
      }}
    >
      {names.map((name) => (
        <label key={name}>
          {labels[name]}
          <input
            class="number"
            inputMode="decimal"
            value={String(values[name])}
            onInput={(event) => {
              const value = Number(event.currentTarget.value.replace(",", "."));
              if (!Number.isNaN(value)) setValues({ ...values, [name]: value });
            }}
          />
        </label>
      ))}
      <button type="submit" class="button first">
        Fill the disc
      </button>
    </form>
  );
}
