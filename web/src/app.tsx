// The house: bar, tools, stage, panel, shelf, and the state that tests and style sheets read from its root.
import { useEffect, useRef } from "preact/hooks";
import { Dialogs } from "./dialogs";
import { Panel } from "./form/panel";
import { Icon, type IconName } from "./icons";
import { Shelf } from "./jobs/shelf";
import * as operations from "./paint/operations";
import { greyPng } from "./paint/png";
import { comparing, Stage } from "./stage/stage";
import * as doc from "./state/document";
import * as server from "./state/server";
import * as view from "./state/view";
import { ask, post } from "./api";

export function stateName(): string {
  if (!server.loaded.value) return "loading";
  if (!doc.picture.value) return "empty";
  if (server.plan.value?.faults.length) return "error";
  if (comparing()) return "comparing";
  return server.working.value.length ? "running" : "painting";
}

export function App() {
  useEffect(() => {
    document.documentElement.dataset.theme = view.theme.value;
  }, [view.theme.value]);
  const plan = server.plan.value;
  return (
    <div
      class="house"
      data-state={stateName()}
      data-settled={doc.settled.value && !doc.loading.value ? "yes" : "no"}
      data-model={server.model.value.state}
      data-connected={server.connected.value ? "yes" : "no"}
      data-plan={plan ? (plan.ok ? "ok" : "faulty") : "none"}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = event.dataTransfer?.files[0];
        if (file) void doc.openFile(file, file.name);
      }}
    >
      <Bar />
      <Tools />
      <Stage />
      <Panel />
      <Shelf />
      <Message />
      <Dialogs />
    </div>
  );
}

function Model() {
  const model = server.model.value;
  const words = {
    starting: "starting the engine…",
    loading: "loading the model…",
    ready: model.milliseconds ? `${model.device} · ${model.milliseconds.toFixed(1)} ms a row` : model.device,
    failed: "could not be loaded",
    gone: "the engine ended; it starts again with the next edit",
  }[model.state];
  return (
    <span class="chip" data-state={model.state} title={model.error ?? model.about}>
      <i class="dot" />
      <select
        aria-label="Model"
        value={model.chosen}
        onChange={(event) => void post("api/model", { name: event.currentTarget.value }).catch(doc.fault)}
      >
        {model.choices.map((name) => (
          <option key={name} value={name}>
            {name.replace(/^.*[\\/]/, "")}
          </option>
        ))}
      </select>
      <span aria-hidden="true">·</span>
      <span role="status">{words}</span>
    </span>
  );
}

function Queue() {
  const running = server.working.value.length;
  const waiting = server.waiting.value.length;
  if (!running && !waiting) return null;
  return (
    <button type="button" class="chip" aria-haspopup="dialog" onClick={() => (view.dialog.value = "history")}>
      {server.queue.value.paused ? "paused, " : ""}
      {running ? `${running} running` : ""}
      {running && waiting ? ", " : ""}
      {waiting ? `${waiting} waiting` : ""}
    </button>
  );
}

function Bar() {
  const input = useRef<HTMLInputElement>(null);
  const picture = doc.picture.value;
  const { undo, redo } = doc.historyState.value;
  return (
    <header class="bar">
      <span class="word">
        <i />
        Scumble
      </span>
      <span class="file">
        {picture ? (
          <>
            <b>{picture.name}</b>
            <span class="dim small">
              {picture.width} × {picture.height}
            </span>
          </>
        ) : (
          <span class="dim">{doc.loading.value ? `opening ${doc.loading.value}…` : "no picture yet"}</span>
        )}
      </span>
      {picture && (
        <button type="button" class="iconic" aria-label="Open another picture" onClick={() => input.current!.click()}>
          <Icon name="open" />
        </button>
      )}
      <input
        ref={input}
        type="file"
        hidden
        aria-label="Another picture file"
        accept="image/*"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file) void doc.openFile(file, file.name);
          event.currentTarget.value = "";
        }}
      />
      <span class="push" />
      <Model />
      <Queue />
      <button type="button" class="iconic" aria-label="Undo" disabled={!undo} onClick={doc.undo}>
        <Icon name="undo" />
      </button>
      <button type="button" class="iconic" aria-label="Redo" disabled={!redo} onClick={doc.redo}>
        <Icon name="redo" />
      </button>
      <button
        type="button"
        class="iconic"
        aria-label={view.theme.value === "dark" ? "Light colors" : "Dark colors"}
        onClick={() => (view.theme.value = view.theme.value === "dark" ? "light" : "dark")}
      >
        <Icon name={view.theme.value === "dark" ? "moon" : "sun"} />
      </button>
      <button type="button" class="iconic" aria-label="Keys and help" aria-haspopup="dialog" onClick={() => (view.dialog.value = "keys")}>
        ?
      </button>
    </header>
  );
}

const TOOLS: ([view.Tool, IconName, string] | null)[] = [
  ["brush", "brush", "Brush (B)"],
  ["eraser", "eraser", "Eraser (E)"],
  ["gradient", "gradient", "Gradient (G)"],
  ["lasso", "lasso", "Lasso (L)"],
  null,
  ["points", "points", "Drag points (P)"],
  ["hand", "hand", "Hand (H)"],
  null,
];
const STRENGTHS = [1, 0.8, 0.6, 0.4, 0.2, 0];
/** How much accent a swatch holds: as much as its number stays readable on. */
const FILLED: Record<number, number> = { 1: 92, 0.8: 74, 0.6: 46, 0.4: 32, 0.2: 16, 0: 0 };

/** Arrow keys walk through the toolbar; only the chosen tool is in the order of Tab. */
function walk(event: KeyboardEvent): void {
  const way = event.key === "ArrowDown" || event.key === "ArrowRight" ? 1 : event.key === "ArrowUp" || event.key === "ArrowLeft" ? -1 : 0;
  if (!way) return;
  const buttons = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLButtonElement>(":scope > button")];
  const here = buttons.indexOf(document.activeElement as HTMLButtonElement);
  buttons[(here + way + buttons.length) % buttons.length]?.focus();
  event.preventDefault();
}

function Tools() {
  const own = doc.canvas.value;
  return (
    <div class="tools" aria-label="Tools" inert={!doc.picture.value} role="toolbar" aria-orientation="vertical" onKeyDown={walk}>
      {TOOLS.map((one, k) =>
        one ? (
          <button
            type="button"
            key={one[0]}
            class="iconic"
            aria-label={one[2]}
            title={one[2]}
            aria-pressed={view.tool.value === one[0]}
            tabIndex={view.tool.value === one[0] ? 0 : -1}
            onClick={() => {
              view.tool.value = one[0];
              if (view.selected.value) view.selected.value = null;
            }}
          >
            <Icon name={one[1]} />
          </button>
        ) : (
          <hr key={k} />
        ),
      )}
      <button type="button" class="iconic" aria-label="Invert the map (I)" title="Invert the map (I)" tabIndex={-1} onClick={() => own && doc.did(operations.invert(own))}>
        <Icon name="invert" />
      </button>
      <button
        type="button"
        class="iconic"
        aria-label="Show the map (M)"
        title="Show or hide the map (M)"
        aria-pressed={view.overlay.value}
        data-quiet=""
        tabIndex={-1}
        onClick={() => (view.overlay.value = !view.overlay.value)}
      >
        <Icon name="eye" />
      </button>
      <button type="button" class="iconic" aria-label="Clear the map" title="Clear the map" tabIndex={-1} onClick={doc.clearMap}>
        <Icon name="clear" />
      </button>
      <button
        type="button"
        class="iconic"
        aria-label="Map: shapes, import, export"
        title="Map: shapes, import, export"
        aria-haspopup="dialog"
        tabIndex={-1}
        onClick={() => (view.dialog.value = "map")}
      >
        <Icon name="map" />
      </button>
      <div class="swatches" role="radiogroup" aria-label="Strength">
        {STRENGTHS.map((value) => (
          <button
            type="button"
            role="radio"
            key={value}
            aria-label={`Strength ${value}`}
            aria-checked={Math.abs(view.strength.value - value) < 0.005}
            style={{ "--s": `${FILLED[value]}%` }}
            data-strong={value >= 0.8 ? value : undefined}
            onClick={() => (view.strength.value = value)}
          >
            {value === 0 || value === 1 ? value : String(value).slice(1)}
          </button>
        ))}
      </div>
    </div>
  );
}

/** The map as a file, made in the page: the studio that would make it is gone. */
async function saveMap(): Promise<void> {
  const map = doc.canvas.value;
  if (!map) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await greyPng(map.width, map.height, map.data));
  link.download = `${doc.picture.value!.name.replace(/\.[^.]*$/, "")}-map.png`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function Message() {
  const notice = doc.notice.value;
  if (!server.connected.value && server.loaded.value)
    return (
      <div class="message" role="alert">
        <Icon name="alert" size={16} />
        <span>
          {server.another.value
            ? "The studio was started again: open the address that its terminal shows now."
            : "The studio does not answer. Start it again in the terminal, and open the address that it shows."}{" "}
          All but what you painted since lies in its folder.
        </span>
        {doc.picture.value && (
          <button type="button" class="link" onClick={() => void saveMap()}>
            Save the map
          </button>
        )}
      </div>
    );
  if (server.elsewhere.value > server.draftVersion.value)
    return (
      <div class="message" role="alert">
        <span>This picture was changed in another tab.</span>
        <button type="button" class="link" onClick={() => void ask<import("./api").Draft>("api/draft").then(doc.takeDraft, doc.fault)}>
          Take it
        </button>
        <button type="button" class="link" onClick={() => void doc.sendDraft(true).catch(doc.fault)}>
          Keep mine
        </button>
      </div>
    );
  if (server.model.value.state === "failed" && server.model.value.error)
    return (
      <div class="message" role="alert" data-kind="fault">
        <Icon name="alert" size={16} />
        <span>{server.model.value.error}</span>
        <button type="button" class="link" onClick={() => void post("api/model").catch(doc.fault)}>
          Try again
        </button>
      </div>
    );
  if (!notice) return null;
  return (
    <div class="message" role={notice.kind === "fault" ? "alert" : "status"} data-kind={notice.kind}>
      <Icon name={notice.kind === "fault" ? "alert" : "check"} size={16} />
      <span>{notice.text}</span>
      <button type="button" class="iconic" aria-label="Close the message" onClick={() => (doc.notice.value = null)}>
        <Icon name="close" size={14} />
      </button>
    </div>
  );
}
