// Start of the page: mirror of the server, the draft of before, keys, paste; then everything follows from signals.
import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { listen } from "./keys";
import * as doc from "./state/document";
import * as quick from "./state/quick";
import * as server from "./state/server";
import * as view from "./state/view";
import { warp } from "./state/warp";

document.documentElement.dataset.theme = view.theme.value;
render(<App />, document.getElementById("house")!);
listen();

let first = true;
const follow = (state: import("./api").State): void => {
  if (first && state.draft) void doc.takeDraft(state.draft).catch(doc.fault);
  else if (state.draft && state.draft.version > server.draftVersion.value) server.elsewhere.value = state.draft.version;
  first = false;
};
void server.follow(follow);
server.pauseWhileHidden(follow);

addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (file) void doc.openFile(file, file.name || "pasted.png");
});

// When an edit that was asked for here is finished, its first candidate is shown, if nothing else is being looked at.
// The tab remembers what it waits for, so that a reload, even one that the end of the edit falls into, loses nothing.
effect(() => {
  const edit = doc.edit.value;
  const jobs = [...server.jobs.value.values()].filter((job) => job.edit === edit && !job.live);
  const made = [...server.results.value.values()].filter((one) => one.edit === edit).sort((a, b) => a.k - b.k);
  if (!edit || !jobs.length) return;
  if (jobs.some((job) => !["done", "failed", "cancelled", "interrupted"].includes(job.state))) {
    view.awaited.value = edit;
    return;
  }
  if (view.awaited.peek() !== edit) return;
  view.awaited.value = null;
  const now = view.selected.peek();
  if (made.length && (!now || now.startsWith("job:"))) view.selected.value = made[0]!.id;
});

server.news.subscribe((one) => {
  if (one) doc.say(one.text, one.kind);
});

// The cost depends on the model: ask again when it is there.
server.model.subscribe((model) => {
  if (model.state === "ready" && doc.picture.peek()) doc.changedDocument();
});

Object.assign(globalThis, { studio: { doc, view, server, quick, warp } });
