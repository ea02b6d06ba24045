// What opens over the page for a moment: methods, all settings, the map, code, history, keys.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, mapBytes, type MethodInfo, post, type Result } from "./api";
import { Row } from "./form/fields";
import { ShelfList } from "./form/start";
import { Against } from "./jobs/against";
import { lineage } from "./jobs/lineage";
import { Icon } from "./icons";
import * as operations from "./paint/operations";
import * as doc from "./state/document";
import * as server from "./state/server";
import * as view from "./state/view";

function Dialog(props: { title: string; wide?: boolean; children: ComponentChildren }) {
  const own = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = own.current!;
    if (!element.open) element.showModal();
  }, []);
  return (
    <dialog
      ref={own}
      class={props.wide ? "wide-dialog" : undefined}
      aria-label={props.title}
      onClose={() => (view.dialog.value = null)}
      onClick={(event) => {
        if (event.target === own.current) own.current!.close();
      }}
    >
      <div class="sheet">
        <header>
          <h2>{props.title}</h2>
          <button type="button" class="iconic" aria-label="Close" onClick={() => own.current!.close()}>
            <Icon name="close" size={16} />
          </button>
        </header>
        <div class="content">
          {doc.notice.value?.kind === "fault" && <p class="fault">{doc.notice.value.text}</p>}
          {props.children}
        </div>
      </div>
    </dialog>
  );
}

const close = (): void => {
  view.dialog.value = null;
};

function Methods() {
  const tasks = [...new Set(server.methods.value.map((one) => one.task))];
  const pick = (one: MethodInfo): void => {
    doc.setMethod(one.name);
    close();
  };
  return (
    <Dialog title="How shall it be changed?" wide>
      {tasks.map((task) => (
        <section class="task" key={task}>
          <h3>{task}</h3>
          <div class="tiles">
            {server.methods.value
              .filter((one) => one.task === task)
              .map((one) => (
                <button
                  type="button"
                  key={one.name}
                  class="tile"
                  disabled={!!one.unfit}
                  aria-pressed={one.name === doc.method.value}
                  title={one.summary}
                  onClick={() => pick(one)}
                >
                  {one.card && <img src={`cards/${one.name}.webp`} alt="" width={192} height={68} loading="lazy" />}
                  <b>{one.title}</b>
                  <span>{one.brief[0]!.toUpperCase() + one.brief.slice(1)}</span>
                  <small>{one.unfit ?? one.paper.split(";")[0]}</small>
                </button>
              ))}
          </div>
        </section>
      ))}
    </Dialog>
  );
}

function Settings() {
  const info = doc.info.value;
  const fields = info?.fields.filter((one) => one.kind !== "points" && !["prompt", "negative_prompt", "source_prompt"].includes(one.name)) ?? [];
  const names = Object.keys(doc.changed.value);
  return (
    <Dialog title={`All settings: ${info?.title ?? ""}`}>
      {names.some((name) => fields.some((field) => field.name === name)) && (
        <p class="reset">
          <button
            type="button"
            class="link"
            onClick={() => {
              for (const field of fields) doc.setValue(field.name, undefined);
            }}
          >
            Back to what is usual
          </button>
        </p>
      )}
      {fields.map((field) => (
        <div key={`${info!.name}.${field.name}`} class="setting">
          <Row field={field} />
          <p class="dim small">
            {field.help}
            {field.name in doc.changed.value && (
              <>
                {" "}
                <button type="button" class="link" onClick={() => doc.setValue(field.name, undefined)}>
                  Reset
                </button>
              </>
            )}
          </p>
        </div>
      ))}
    </Dialog>
  );
}

interface Imported {
  id: string;
  share: number;
  mean: number;
  notices: string[];
}

function MapDialog() {
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

function copy(text: string): void {
  void navigator.clipboard?.writeText(text).then(
    () => doc.say("Copied.", "news"),
    () => doc.say("The browser does not let the page copy: select the text and press Ctrl C."),
  );
}

function Code() {
  const plan = server.plan.value;
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  const [pasted, setPasted] = useState("");
  const parts = [
    ["Command line", result?.command ?? plan?.command ?? ""],
    ...(result ? [] : [["Python", plan?.python ?? ""]]),
  ] as const;
  return (
    <Dialog title={result ? "What made this result" : "The same without the page"} wide={!!result}>
      {parts.map(([name, text]) => (
        <section class="part" key={name}>
          <h3>{name}</h3>
          <pre tabIndex={0} aria-label={name}>
            {text}
          </pre>
          <button type="button" class="button" onClick={() => copy(text)}>
            <Icon name="copy" size={16} /> Copy
          </button>
        </section>
      ))}
      {result && <Against result={result} />}
      <section class="part">
        <h3>Paste a command line</h3>
        <textarea
          aria-label="A command line to take over"
          rows={2}
          placeholder="scumble edit photo.png --prompt … --steps 30"
          value={pasted}
          onInput={(event) => setPasted(event.currentTarget.value)}
        />
        <button
          type="button"
          class="button"
          disabled={!pasted.trim()}
          onClick={() =>
            void post<{ method: string; parameters: Record<string, unknown>; seed: number | null; count: number | null }>("api/command", { text: pasted }).then(
              (one) => {
                doc.setMethod(one.method);
                doc.values.value = { ...doc.values.value, [one.method]: one.parameters };
                if (one.seed !== null) doc.seed.value = one.seed;
                if (one.count !== null) doc.count.value = one.count;
                doc.changedDocument();
                close();
              },
              doc.fault,
            )
          }
        >
          Fill the form with it
        </button>
      </section>
    </Dialog>
  );
}

function HistoryDialog() {
  const [starred, setStarred] = useState(false);
  const all = [...server.results.value.values()].sort((a, b) => b.created - a.created);
  const shown = starred ? all.filter((one) => one.star) : all;
  const groups = new Map<string, Result[]>();
  for (const one of shown) groups.set(one.edit, [...(groups.get(one.edit) ?? []), one]);
  const waiting = [...server.jobs.value.values()].filter((job) => ["queued", "interrupted", "failed"].includes(job.state));
  return (
    <Dialog title="History" wide>
      {waiting.length > 0 && (
        <section class="part">
          <h3>Queue</h3>
          {server.queue.value.paused && <p class="dim">{server.queue.value.reason}</p>}
          <ul class="queue">
            {waiting.map((job) => (
              <li key={job.id} data-state={job.state}>
                <b>{job.state}</b>
                <span>
                  {job.prompt || job.method}, candidate {job.k + 1} of {job.count}
                  {job.error ? `: ${job.error}` : ""}
                </span>
                {job.state === "queued" ? (
                  <>
                    <button type="button" class="link" onClick={() => void post(`api/jobs/${job.id}/move`, { front: true }).catch(doc.fault)}>
                      To the front
                    </button>
                    <button type="button" class="link" onClick={() => void post("api/jobs/cancel", { job: job.id }).catch(doc.fault)}>
                      Take out
                    </button>
                  </>
                ) : (
                  <button type="button" class="link" onClick={() => void post(`api/jobs/${job.id}/again`).catch(doc.fault)}>
                    Make it
                  </button>
                )}
              </li>
            ))}
          </ul>
          <p>
            <button type="button" class="button" onClick={() => void doc.pauseQueue(!server.queue.value.paused)}>
              {server.queue.value.paused ? "Go on" : "Pause the queue"}
            </button>{" "}
            <button type="button" class="button" onClick={() => void post("api/jobs/cancel", { queued: true }).catch(doc.fault)}>
              Empty it
            </button>
          </p>
        </section>
      )}
      <p class="row two-columns">
        <span class="dim">
          {all.length ? `${all.length} results in ${server.about.value.folder}` : "Results will lie here, the newest first."}
        </span>
        {all.some((one) => one.star) && (
          <label class="inline">
            <input type="checkbox" class="switch" role="switch" checked={starred} onChange={(event) => setStarred(event.currentTarget.checked)} /> Starred
          </label>
        )}
      </p>
      {[...groups.entries()].map(([edit, list]) => (
        <section class="past" key={edit}>
          <header>
            <b>{list[0]!.prompt || list[0]!.method}</b>
            <small>
              {server.methods.value.find((one) => one.name === list[0]!.method)?.title ?? list[0]!.method},{" "}
              {new Date(list[0]!.created * 1000).toLocaleString()}
            </small>
          </header>
          <div class="cards">
            {lineage(list[0]!.picture).map((link, k, all) => (
              <>
                <button
                  type="button"
                  class="card parent"
                  key={link.picture}
                  aria-label={k === all.length - 1 ? "The picture it was made from" : `The picture ${all.length - 1 - k} edits before`}
                  onClick={() => {
                    close();
                    void doc.goTo(link);
                  }}
                >
                  <img src={`api/pictures/${link.picture}/display?max=160`} alt="" />
                </button>
                <span aria-hidden="true" class="dim">
                  →
                </span>
              </>
            ))}
            {list
              .sort((a, b) => a.k - b.k)
              .map((one) => (
                <button
                  type="button"
                  class="card"
                  key={one.id}
                  aria-label={`Candidate ${one.k + 1}, seed ${one.seed}: bring everything back`}
                  onClick={() => {
                    close();
                    void doc.reopen(one);
                  }}
                >
                  <img src={`api/results/${one.id}/thumb`} alt="" />
                  {one.star && <Icon name="star" size={14} />}
                </button>
              ))}
          </div>
        </section>
      ))}
    </Dialog>
  );
}

const KEYS: [string, string][] = [
  ["B, E, G, L", "brush, eraser, gradient, lasso"],
  ["P, H or Space", "points, hand"],
  ["[ ]", "smaller, larger brush"],
  ["Shift [ ]", "softer, harder brush"],
  ["1 … 9, 0", "strength 10 % … 90 %, 100 %; with results: that candidate"],
  ["X", "strength to 0 and back"],
  ["I, M", "invert the map; show or hide it"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["Arrows, Shift arrows", "move the crosshair by 1, by 10"],
  ["Space on the picture", "stamp at the crosshair"],
  ["+ − F, Ctrl 1", "zoom, fit, 100 %"],
  ["\\", "hold to see the original"],
  ["Ctrl Enter", "edit"],
  ["Esc", "stop after this step; leave the result"],
  ["?", "this list"],
];

function Keys() {
  return (
    <Dialog title="Keys and help">
      <table class="keys">
        <tbody>
          {KEYS.map(([key, what]) => (
            <tr key={key}>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="inline">
        <input
          type="checkbox"
          class="switch"
          role="switch"
          checked={view.letterKeys.value}
          onChange={(event) => (view.letterKeys.value = event.currentTarget.checked)}
        />{" "}
        Single letters are keys
      </label>
      <div class="row two-columns">
        <span>Color of the map</span>
        <span class="segments" role="radiogroup" aria-label="Color of the map">
          {["Teal", "Amber", "Magenta"].map((name, k) => (
            <button type="button" role="radio" key={name} aria-checked={view.palette.value === k} onClick={() => (view.palette.value = k)}>
              {name}
            </button>
          ))}
        </span>
      </div>
      <p class="dim small">
        Scumble {server.about.value.version}. Everything stays on this machine, in {server.about.value.folder}.
      </p>
    </Dialog>
  );
}

export function Dialogs() {
  switch (view.dialog.value) {
    case "methods":
      return <Methods />;
    case "settings":
      return <Settings />;
    case "map":
      return <MapDialog />;
    case "code":
      return <Code />;
    case "history":
      return <HistoryDialog />;
    case "shelf":
      return (
        <Dialog title="The inversion shelf">
          <ShelfList />
        </Dialog>
      );
    case "keys":
      return <Keys />;
    default:
      return null;
  }
}
