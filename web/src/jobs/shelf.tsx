// The shelf: candidates of this edit as they come, what to do with the chosen one, and the chain that led here.
import type { Job, Result } from "../api";
import { ask, post } from "../api";
import { Icon } from "../icons";
import { display } from "../stage/stage";
import * as doc from "../state/document";
import * as server from "../state/server";
import * as view from "../state/view";

export interface Slot {
  k: number;
  job: Job | null;
  result: Result | null;
}

/** Places of the present edit: results, running, waiting; empty ones before the first. */
export function slots(): Slot[] {
  const edit = doc.edit.value;
  const jobs = [...server.jobs.value.values()].filter((job) => job.edit === edit && !job.live);
  const made = [...server.results.value.values()].filter((one) => one.edit === edit);
  if (!edit || (!jobs.length && !made.length))
    return Array.from({ length: Math.min(12, doc.count.value) }, (_, k) => ({ k, job: null, result: null }));
  const count = Math.max(...jobs.map((job) => job.count), ...made.map((one) => one.k + 1), 1);
  return Array.from({ length: count }, (_, k) => ({
    k,
    job: jobs.find((job) => job.k === k) ?? (jobs.length === 1 ? jobs[0]! : null),
    result: made.find((one) => one.k === k) ?? null,
  }));
}

export function choose(slot: Slot): void {
  if (slot.result) view.selected.value = view.selected.value === slot.result.id ? null : slot.result.id;
  else if (slot.job?.preview) view.selected.value = `job:${slot.job.id}`;
}

const WAITS: Record<string, string> = {
  queued: "waits",
  running: "begins",
  cancelling: "stops",
  cancelled: "stopped",
  failed: "failed",
  interrupted: "interrupted",
  done: "gone",
};

function Card({ slot }: { slot: Slot }) {
  const { job, result, k } = slot;
  const key = k < 9 ? <kbd>{k + 1}</kbd> : null;
  if (result)
    return (
      <button
        type="button"
        class="card"
        role="option"
        aria-selected={view.selected.value === result.id}
        aria-label={`Candidate ${k + 1}, seed ${result.seed}${result.star ? ", starred" : ""}`}
        onClick={() => choose(slot)}
      >
        <img src={`api/results/${result.id}/thumb`} alt="" draggable={false} />
        {key}
        {result.star && <Icon name="star" size={14} />}
      </button>
    );
  if (job && (job.state === "running" || job.state === "cancelling"))
    return (
      <button
        type="button"
        class={job.preview ? "card" : "card empty"}
        role="option"
        aria-selected={view.selected.value === `job:${job.id}`}
        aria-label={`Candidate ${k + 1}, step ${job.step} of ${job.steps}`}
        onClick={() => choose(slot)}
      >
        {job.preview ? <img src={`api/jobs/${job.id}/preview?v=${job.preview}`} alt="" class="soft" draggable={false} /> : WAITS[job.state]}
        {key}
        <i class="wait" style={{ width: `${job.steps ? (100 * job.step) / job.steps : 2}%` }} />
      </button>
    );
  return (
    <button type="button" class="card empty" role="option" aria-selected={false} disabled title={job?.error ?? undefined}>
      {job ? WAITS[job.state] : k + 1}
    </button>
  );
}

function Acts({ result }: { result: Result }) {
  return (
    <div class="acts">
      <button type="button" class="button first" onClick={() => void doc.keep(result)}>
        Keep and go on
      </button>
      <span>
        <a class="button" href={`api/results/${result.id}/file?download=1`} download={result.file}>
          Save as…
        </a>
        <button
          type="button"
          class="iconic"
          aria-label={result.star ? "Take the star away" : "Star this result"}
          aria-pressed={result.star}
          onClick={() => void ask(`api/results/${result.id}`, { method: "PATCH", json: { star: !result.star } }).catch(doc.fault)}
        >
          <Icon name="star" size={16} />
        </button>
        <button
          type="button"
          class="iconic"
          aria-label="Make it again and compare"
          title="Make it again from its recipe and compare the pixels"
          onClick={() => void post(`api/results/${result.id}/redo`).then(() => doc.say("It is being made again from its recipe.", "news"), doc.fault)}
        >
          <Icon name="redo" size={16} />
        </button>
        <button
          type="button"
          class="iconic"
          aria-label="Discard this result"
          title="To the trash folder"
          onClick={() => {
            view.selected.value = null;
            void ask(`api/results/${result.id}`, { method: "DELETE" }).catch(doc.fault);
          }}
        >
          <Icon name="clear" size={16} />
        </button>
      </span>
    </div>
  );
}

function Failure() {
  const failed = [...server.jobs.value.values()].find(
    (job) => job.edit === doc.edit.value && (job.state === "failed" || job.state === "interrupted" || job.state === "cancelled"),
  );
  if (!failed || server.working.value.some((job) => job.edit === doc.edit.value)) return null;
  return (
    <div class="failure" role={failed.state === "failed" ? "alert" : "status"}>
      {failed.error && <p class={failed.state === "failed" ? "fault" : "dim small"}>{failed.error}</p>}
      <button type="button" class="button" onClick={() => void post(`api/jobs/${failed.id}/again`).catch(doc.fault)}>
        {failed.state === "failed" ? "Try again" : slots().some((slot) => slot.result) ? "Make the rest" : "Make it after all"}
      </button>
    </div>
  );
}

export function Shelf() {
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  const chain = doc.chain.value;
  if (!doc.picture.value) return null;
  return (
    <section class="shelf" aria-label="Results">
      <h2>Results</h2>
      <div class="cards" role="listbox" aria-label="Candidates">
        {slots().map((slot) => (
          <Card key={slot.k} slot={slot} />
        ))}
      </div>
      {result ? <Acts result={result} /> : <Failure />}
      <div class="chain">
        {chain.length > 1 && <span class="small">Chain</span>}
        {chain.length > 1 &&
          chain.map((link, k) => (
            <>
              {k > 0 && (
                <svg class="step" width="18" height="12" aria-hidden="true">
                  <path d="M1 6h15m-4-4 4 4-4 4" />
                </svg>
              )}
              <button
                type="button"
                class="card"
                key={link.picture + k}
                aria-current={link.picture === doc.picture.value!.id}
                aria-label={k === 0 ? "The first picture" : `After ${k} ${k === 1 ? "edit" : "edits"}`}
                onClick={() => void doc.goTo(link)}
              >
                <img src={`${display(link.picture)}?max=160`} alt="" draggable={false} />
              </button>
            </>
          ))}
        <button type="button" class="iconic" aria-label="History of all results" aria-haspopup="dialog" onClick={() => (view.dialog.value = "history")}>
          <Icon name="history" />
        </button>
      </div>
    </section>
  );
}
