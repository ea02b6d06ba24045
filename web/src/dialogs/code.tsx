// The same without the page: command line and Python, what made a result, and a command line that fills the form.
import { useState } from "preact/hooks";
import { post, type Result } from "../api";
import { Icon } from "../icons";
import { Against } from "../jobs/against";
import { lineage } from "../jobs/tree";
import * as doc from "../state/document";
import * as places from "../state/places";
import * as server from "../state/server";
import * as view from "../state/view";
import { close, Dialog } from "./dialog";

/** What a command line says that needs no file. */
interface Pasted {
  method: string;
  parameters: Record<string, unknown>;
  seed: number | null;
  count: number | null;
  places: { text: string; weight: number }[];
}

function copy(text: string): void {
  void navigator.clipboard?.writeText(text).then(
    () => doc.say("Copied.", "news"),
    () => doc.say("The browser does not let the page copy: select the text and press Ctrl C."),
  );
}

/** The command that makes a whole chain of edits again; nothing where the result is of the first picture. */
function again(result: Result): string {
  const before = lineage([...server.results.value.values()], result.picture);
  if (before.length < 2) return "";
  const file = `${server.about.value.folder}/${result.file}`;
  return `scumble redo ${/^[\w./-]+$/.test(file) ? file : `'${file.replace(/'/g, `'"'"'`)}'`} --chain`;
}

export function Code() {
  const plan = server.plan.value;
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  const [pasted, setPasted] = useState("");
  const parts = (result
    ? [
        ["Command line", result.command],
        ["Every edit again, from the first picture", again(result)],
      ]
    : [
        ["Command line", plan?.command],
        ["Python", plan?.python],
      ]
  ).filter(([, text]) => text) as [string, string][];
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
      {result && !result.command && <p class="dim">What it was made from is not all in this folder, so no command line can be given.</p>}
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
            void post<Pasted>("api/command", { text: pasted }).then(
              (one) => {
                doc.setMethod(one.method);
                doc.values.value = { ...doc.values.value, [one.method]: one.parameters };
                if (one.seed !== null) doc.seed.value = one.seed;
                if (one.count !== null) doc.count.value = one.count;
                const { width, height } = doc.picture.value!;
                for (const { text, weight } of one.places) places.add(width, height, text, undefined, { ...places.ADDED, weight });
                places.active.value = 0;
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
