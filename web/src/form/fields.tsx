// One input for every kind of value that a method has; which kind, bounds and words come from the method itself.
import { useEffect, useState } from "preact/hooks";
import { ask, type Field } from "../api";
import { Icon } from "../icons";
import * as doc from "../state/document";
import * as server from "../state/server";

export function faultOf(name: string): string | null {
  return server.plan.value?.faults.find((one) => one.field === name)?.message ?? null;
}

export function Fault({ text }: { text: string | null }) {
  if (!text) return null;
  return (
    <p class="fault" role="alert">
      <Icon name="alert" size={15} />
      <span>{text}</span>
    </p>
  );
}

/** A range that a slider can cover: bounds of the field, or what is usual. */
function span(field: Field): [number, number] | null {
  const low = field.usual?.[0] ?? field.min;
  const high = field.usual?.[1] ?? field.max;
  return low === null || high === null ? null : [low, high];
}

export function Row({ field }: { field: Field }) {
  const id = `field-${field.name}`;
  const value = doc.valueOf(field.name);
  const fault = faultOf(field.name);
  const isChanged = field.name in doc.changed.value;
  const wide = field.kind === "text" || field.kind === "list" || field.kind === "table" || field.kind === "json" || field.kind === "file";
  return (
    <div class={wide ? "entry wide-entry" : "entry"} title={field.help}>
      <div class={wide ? "row tall" : "row"} data-changed={isChanged ? "" : undefined}>
        <label for={id}>{field.label}</label>
        <Input field={field} id={id} value={value} fault={!!fault} />
      </div>
      <Fault text={fault} />
    </div>
  );
}

function Input(props: { field: Field; id: string; value: unknown; fault: boolean }) {
  const { field } = props;
  if (field.kind === "switch") return <Switch {...props} />;
  if (field.kind === "choice") return <Choice {...props} />;
  if (field.kind === "number" || field.kind === "integer") return <Numeric {...props} />;
  if (field.kind === "file") return <Sent {...props} />;
  if (field.kind === "list" && field.choices.length) return <Several {...props} />;
  return <Text {...props} />;
}

/** A file that is sent to the studio and named by its hash from then on. */
function Sent({ field, id }: { field: Field; id: string }) {
  const now = doc.files.value[field.name];
  const send = async (file: File): Promise<void> => {
    const path = field.accepts === "text" ? "api/texts" : "api/pictures";
    const headers = { "X-Name": encodeURIComponent(file.name) };
    const one = await ask<{ id: string }>(path, { method: "POST", body: file, headers });
    doc.setFile(field.name, { id: one.id, name: file.name });
  };
  return (
    <span class="across sent">
      <label class="button">
        <span>{now?.name ?? (field.accepts === "text" ? "Choose a text…" : "Choose a picture…")}</span>
        <input
          id={id}
          type="file"
          class="unseen"
          accept={field.accepts === "text" ? "text/plain" : "image/*"}
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file) void send(file).catch(doc.fault);
            event.currentTarget.value = "";
          }}
        />
      </label>
      {now && (
        <button type="button" class="iconic" aria-label={`${field.label}: take the file away`} onClick={() => doc.setFile(field.name, null)}>
          <Icon name="close" size={14} />
        </button>
      )}
    </span>
  );
}

/** Several names of a few. */
function Several({ field, id, value }: { field: Field; id: string; value: unknown }) {
  const chosen = Array.isArray(value) ? (value as string[]) : [];
  return (
    <span class="across several" role="group" id={id} aria-label={field.label}>
      {field.choices.map((one) => (
        <button
          type="button"
          key={one}
          aria-pressed={chosen.includes(one)}
          onClick={() => doc.setValue(field.name, chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one])}
        >
          {one}
        </button>
      ))}
    </span>
  );
}

function Switch({ field, id, value, fault }: { field: Field; id: string; value: unknown; fault: boolean }) {
  if (field.nullable)
    return <Choice field={{ ...field, choices: ["true", "false"] }} id={id} value={value === null ? null : String(value)} fault={fault} />;
  return (
    <input
      id={id}
      type="checkbox"
      class="switch"
      role="switch"
      checked={value === true}
      onChange={(event) => doc.setValue(field.name, event.currentTarget.checked)}
    />
  );
}

const SPOKEN: Record<string, string> = {
  true: "Yes",
  false: "No",
  dpmpp_2m: "DPM++ 2M",
  ddim: "DDIM",
  ddpm: "DDPM",
  plms: "PLMS",
};

function Choice({ field, id, value, fault }: { field: Field; id: string; value: unknown; fault: boolean }) {
  const set = (text: string | null): void => {
    const typed = text === "true" ? true : text === "false" ? false : text;
    doc.setValue(field.name, typed);
  };
  const choices = [...(field.nullable ? [null] : []), ...field.choices];
  const label = (one: string | null): string =>
    one === null ? (field.auto ? "Auto" : "None") : (SPOKEN[one] ?? one[0]!.toUpperCase() + one.slice(1).replace(/-/g, " "));
  const length = choices.reduce((sum, one) => sum + label(one).length, 0);
  if (choices.length > 3 || length > 22)
    return (
      <select
        id={id}
        class="across"
        value={value === null ? "" : String(value)}
        aria-invalid={fault}
        onChange={(event) => set(event.currentTarget.value || null)}
      >
        {choices.map((one) => (
          <option key={String(one)} value={one ?? ""}>
            {label(one)}
          </option>
        ))}
      </select>
    );
  return (
    <span class="segments across" role="radiogroup" id={id} aria-label={field.label}>
      {choices.map((one) => (
        <button
          type="button"
          role="radio"
          key={String(one)}
          aria-checked={(value === null ? null : String(value)) === one}
          onClick={() => set(one)}
        >
          {label(one)}
        </button>
      ))}
    </span>
  );
}

function tidy(value: number, field: Field): string {
  return field.kind === "integer" ? String(value) : String(Number(value.toFixed(6)));
}

function Numeric({ field, id, value, fault }: { field: Field; id: string; value: unknown; fault: boolean }) {
  const shown = typeof value === "number" ? tidy(value, field) : value === null ? "" : String(value);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const range = span(field);
  const now = typeof value === "number" ? value : range ? range[0] : 0;
  const share = range ? Math.min(1, Math.max(0, (now - range[0]) / (range[1] - range[0]))) : 0;
  const step = field.step ?? (field.kind === "integer" ? 1 : range && range[1] - range[0] <= 2 ? 0.01 : 0.1);
  const enter = (written: string): void => {
    setText(written);
    if (written.trim() === "") doc.setValue(field.name, field.nullable ? null : undefined);
    else {
      const parsed = Number(written.replace(",", "."));
      doc.setValue(field.name, Number.isNaN(parsed) ? written : parsed);
    }
  };
  return (
    <>
      {range ? (
        <input
          type="range"
          aria-label={`${field.label}, slider`}
          min={range[0]}
          max={range[1]}
          step={step}
          value={now}
          data-auto={value === null ? "" : undefined}
          style={{ "--v": `${share * 100}%` }}
          onInput={(event) => doc.setValue(field.name, Number(event.currentTarget.value))}
        />
      ) : (
        <span class="push" />
      )}
      <input
        id={id}
        class="number"
        inputMode="decimal"
        autocomplete="off"
        value={text}
        placeholder={field.nullable ? "auto" : ""}
        aria-invalid={fault}
        onInput={(event) => enter(event.currentTarget.value)}
        onBlur={() => setText(shown)}
      />
    </>
  );
}

/** Values that are written: words, lists with commas, and what is only understood as JSON. */
function Text({ field, id, value, fault }: { field: Field; id: string; value: unknown; fault: boolean }) {
  const write = (one: unknown): string => {
    if (one === null || one === undefined) return "";
    if (field.kind === "list" && Array.isArray(one)) return one.join(", ");
    if (field.kind === "text" || field.kind === "file") return Array.isArray(one) ? one.join(" | ") : String(one);
    const text = JSON.stringify(one);
    return text === "{}" || text === "[]" ? "" : text;
  };
  const shown = write(value);
  const [text, setText] = useState(shown);
  const [parsed, setParsed] = useState(shown);
  useEffect(() => {
    if (shown !== parsed) setText(shown);
    setParsed(shown);
  }, [shown]);
  const enter = (written: string): void => {
    setText(written);
    let next: unknown = written;
    if (written.trim() === "" && field.kind !== "text") next = field.nullable ? null : undefined;
    else if (written === "" && field.nullable) next = null;
    else if (field.kind === "list") next = written.split(",").map((one) => one.trim()).filter(Boolean);
    else if (field.kind === "table" || field.kind === "json" || field.kind === "pair")
      try {
        next = JSON.parse(written);
      } catch {
        next = written;
      }
    setParsed(write(next));
    doc.setValue(field.name, next);
  };
  const hints: Record<string, string> = { list: "one, another", table: '{"cube": 0.5}', json: "JSON", pair: "[0, 0]", file: "not set" };
  return (
    <input
      id={id}
      class="across text"
      autocomplete="off"
      value={text}
      placeholder={field.nullable ? "auto" : (hints[field.kind] ?? "")}
      aria-invalid={fault}
      onInput={(event) => enter(event.currentTarget.value)}
    />
  );
}
