// The panel: how, words, how much, which. Four questions in a person's order; everything else behind "All settings".
import { useSignal } from "@preact/signals";
import type { Field } from "../api";
import { Icon } from "../icons";
import { Act } from "../jobs/act";
import * as doc from "../state/document";
import * as server from "../state/server";
import * as view from "../state/view";
import { removePoint } from "../stage/points";
import { Fault, faultOf, Row } from "./fields";
import { Places } from "./places";
import { Start } from "./start";

const PRIMARY = 5;

/** Where a method comes from, in a name. */
function source(paper: string): string {
  const name = paper.split(/[,;]/)[0]!;
  return name[0]!.toUpperCase() + name.slice(1);
}

export function Panel() {
  const info = doc.info.value;
  const much = info?.fields.filter((one) => one.group === "how-much").slice(0, PRIMARY) ?? [];
  const first = new Set([...much.map((one) => one.name), "prompt", "negative_prompt", "source_prompt"]);
  const others = Object.keys(doc.changed.value).filter((name) => !first.has(name)).length;
  return (
    <aside class="panel" aria-label="Edit">
      <div class="asks" inert={!doc.picture.value}>
        <section class="wide">
          <h2>How</h2>
          <button type="button" class="method" onClick={() => (view.dialog.value = "methods")} aria-haspopup="dialog">
            <span>
              <b>{info?.title ?? "Repaint by strength"}</b>
              <small>{info ? `${source(info.paper)}: ${info.brief}` : "The methods are being read…"}</small>
            </span>
            <Icon name="down" />
          </button>
          <Fault text={server.plan.value?.refusal ?? null} />
        </section>
        <Words />
        {info?.points && <Points />}
        <section class="wide">
          <h2>How much</h2>
          <Start />
          {much.map((field) => (
            <Row key={`${info!.name}.${field.name}`} field={field} />
          ))}
        </section>
        <section class="wide">
          <h2>Which</h2>
          <SeedRow />
          <CountRow />
          <button type="button" class="more" onClick={() => (view.dialog.value = "settings")} aria-haspopup="dialog">
            <span>All settings</span>
            {others > 0 ? <span class="count">{others} changed</span> : <Icon name="down" />}
          </button>
        </section>
      </div>
      <Act />
    </aside>
  );
}

function Words() {
  const info = doc.info.value;
  const avoiding = useSignal(false);
  const shows = useSignal(false);
  const prompt = info?.fields.find((one) => one.name === "prompt");
  const negative = info?.fields.find((one) => one.name === "negative_prompt");
  const source = info?.fields.find((one) => one.name === "source_prompt");
  const more = info?.fields.filter((one) => one.group === "words" && !["prompt", "negative_prompt", "source_prompt"].includes(one.name)) ?? [];
  const aside = info?.map; // where a place is repainted, it is only wanted for words that are looked for
  if (!prompt && !source && !more.length && info) return null;
  return (
    <section>
      <h2>Words</h2>
      {source && !aside && <WordsArea field={source} label="What the picture shows now" placeholder="What the picture shows now" rows={2} />}
      {(prompt || !info) && (
        <WordsArea field={prompt} label="Words" placeholder="What the whole picture shall show" rows={2} />
      )}
      {negative && (
        <>
          <button type="button" class="more small" aria-expanded={avoiding.value} onClick={() => (avoiding.value = !avoiding.value)}>
            <span>Words to avoid</span>
            <Icon name="down" />
          </button>
          {(avoiding.value || !!doc.changed.value.negative_prompt) && (
            <WordsArea field={negative} label="Words to avoid" placeholder="What it shall not show" rows={1} />
          )}
        </>
      )}
      {source && aside && (
        <>
          <button type="button" class="more small" aria-expanded={shows.value} onClick={() => (shows.value = !shows.value)}>
            <span>What the picture shows now</span>
            <Icon name="down" />
          </button>
          {(shows.value || !!doc.changed.value.source_prompt) && (
            <WordsArea field={source} label="What the picture shows now" placeholder="Optional: what is there already" rows={2} />
          )}
        </>
      )}
      <Places />
      {more.slice(0, 2).map((field) => (
        <Row key={field.name} field={field} />
      ))}
    </section>
  );
}

function WordsArea(props: { field: Field | undefined; label: string; placeholder: string; rows: number }) {
  const { field } = props;
  const name = field?.name ?? "prompt";
  const value = doc.valueOf(name);
  const text = Array.isArray(value) ? value.join(" | ") : ((value as string | null) ?? "");
  const fault = faultOf(name);
  return (
    <>
      <textarea
        aria-label={props.label}
        placeholder={props.placeholder}
        rows={props.rows}
        maxLength={4000}
        value={text}
        aria-invalid={!!fault}
        data-words={name}
        onInput={(event) => doc.setValue(name, event.currentTarget.value)}
      />
      <Fault text={fault} />
    </>
  );
}

function Points() {
  const pairs = doc.points.value;
  const set = (k: number, part: number, text: string): void => {
    const value = Number(text);
    if (text.trim() === "" || Number.isNaN(value)) return;
    doc.setPoints(pairs.map((pair, n) => (n === k ? (pair.map((old, m) => (m === part ? value : old)) as typeof pair) : pair)));
  };
  return (
    <section>
      <h2>Points</h2>
      {pairs.length === 0 && <p class="dim small">Pull on the picture from what is to move to where it shall be.</p>}
      {pairs.map((pair, k) => (
        <div class="pair" key={k} role="group" aria-label={`Pair ${k + 1}`}>
          <b>{k + 1}</b>
          {pair.map((value, part) => (
            <>
              {part === 2 && <span class="dim">→</span>}
              <input
                key={part}
                class="number"
                inputMode="decimal"
                aria-label={`${part < 2 ? "Handle" : "Target"} ${k + 1} ${part % 2 ? "y" : "x"}`}
                value={String(Math.round(value * 10) / 10)}
                onChange={(event) => set(k, part, event.currentTarget.value)}
              />
            </>
          ))}
          <button type="button" class="iconic" aria-label={`Remove pair ${k + 1}`} onClick={() => removePoint(k)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
      <button
        type="button"
        class="more small"
        onClick={() => {
          const { width, height } = doc.picture.value!;
          doc.setPoints([...pairs, [width / 2, height / 2, width / 2 + width / 10, height / 2]]);
        }}
      >
        <span>Add a pair in the middle</span>
      </button>
      <Fault text={faultOf("points")} />
    </section>
  );
}

function SeedRow() {
  const fault = faultOf("seed");
  return (
    <div class="entry">
      <div class="row">
        <label for="seed">Seed</label>
        <span class="auto">
          <button
            type="button"
            class="iconic"
            aria-label="Another seed"
            onClick={() => {
              doc.seed.value = Math.floor(Math.random() * 2 ** 31);
              doc.changedDocument();
            }}
          >
            <Icon name="dice" />
          </button>
        </span>
        <input
          id="seed"
          class="number"
          inputMode="numeric"
          autocomplete="off"
          value={String(doc.seed.value)}
          aria-invalid={!!fault}
          onInput={(event) => {
            const value = Number(event.currentTarget.value);
            if (event.currentTarget.value.trim() && Number.isSafeInteger(value)) {
              doc.seed.value = value;
              doc.changedDocument();
            }
          }}
        />
      </div>
      <Fault text={fault} />
    </div>
  );
}

function CountRow() {
  const set = (value: number): void => {
    doc.count.value = Math.min(64, Math.max(1, Math.round(value) || 1));
    doc.changedDocument();
  };
  return (
    <div class="entry">
      <div class="row">
        <label for="count">Candidates</label>
        <input
          type="range"
          aria-label="Candidates, slider"
          min={1}
          max={12}
          step={1}
          value={doc.count.value}
          style={{ "--v": `${(Math.min(11, doc.count.value - 1) / 11) * 100}%` }}
          onInput={(event) => set(Number(event.currentTarget.value))}
        />
        <input
          id="count"
          class="number"
          inputMode="numeric"
          autocomplete="off"
          value={String(doc.count.value)}
          onInput={(event) => {
            if (Number(event.currentTarget.value) >= 1) set(Number(event.currentTarget.value));
          }}
          onBlur={(event) => (event.currentTarget.value = String(doc.count.value))}
        />
      </div>
    </div>
  );
}
