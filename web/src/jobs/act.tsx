// What stands below the panel and never scrolls away: cost, the one button, progress, the equal command line.
import { useComputed } from "@preact/signals";
import { Icon } from "../icons";
import * as doc from "../state/document";
import * as server from "../state/server";
import * as view from "../state/view";

const STAGES: Record<string, string> = {
  "": "starting",
  load: "loading the model",
  prepare: "preparing",
  encode: "reading the picture",
  invert: "inverting the picture",
  adapt: "adapting to the picture",
  train: "adapting to the picture",
  measure: "measuring what came out",
  optimise: "pulling the points",
  optimize: "pulling the points",
  sample: "",
  decode: "drawing the result",
  save: "writing the file",
};

export function seconds(value: number): string {
  if (value >= 90) return `${Math.round(value / 60)} min`;
  return value >= 10 ? `${Math.round(value)} s` : `${Math.max(0.1, value).toFixed(1)} s`;
}

function range([low, high]: [number, number]): string {
  const [from, to] = [seconds(low), seconds(high)];
  const sameUnit = from.split(" ")[1] === to.split(" ")[1];
  return from === to ? from : `${sameUnit ? from.split(" ")[0] : from}–${to}`;
}

const counted = ([low, high]: [number, number]): string => (low === high ? String(low) : `${low}–${high}`);

function Cost() {
  const plan = server.plan.value;
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  if (!doc.picture.value) return <p class="cost">The cost stands here before you press.</p>;
  if (result)
    return (
      <p class="cost" data-testid="counted">
        {result.forward === null || result.backward === null || result.seconds === null ? (
          <span>found in the folder</span>
        ) : (
          <>
            <span>
              took <b>{result.forward + result.backward}</b> rows in <b>{result.calls}</b> calls
            </span>
            <span>
              <b>{seconds(result.seconds)}</b>
            </span>
          </>
        )}
        <span>seed {result.seed}</span>
      </p>
    );
  if (!plan) return <p class="cost">Counting…</p>;
  if (plan.faults.length)
    return <p class="cost">{plan.faults.length === 1 ? "One value does not fit." : `${plan.faults.length} values do not fit.`}</p>;
  if (plan.refusal) return <p class="cost">This cannot be done with this model.</p>;
  if (plan.rows?.[1] === 0) return <p class="cost">0 network calls: your picture comes back as it is.</p>;
  if (!plan.rows)
    return <p class="cost">{server.model.value.state === "ready" ? "The cost depends on the picture." : "The model is being loaded; the cost follows."}</p>;
  return (
    <p class="cost" data-testid="cost">
      <span>
        <b>{counted(plan.rows)}</b> rows{plan.calls && plan.calls[1] ? " in " : ""}
        {plan.calls && plan.calls[1] ? <b>{counted(plan.calls)}</b> : null}
        {plan.calls && plan.calls[1] ? " calls" : ""}
      </span>
      {plan.seconds && (
        <span>
          <b>{range(plan.seconds)}</b>
        </span>
      )}
      {plan.bytes && plan.bytes > 5e5 ? <span>{Math.round(plan.bytes / 1e6)} MB</span> : null}
    </p>
  );
}

function Progress() {
  const job = server.working.value[0]!;
  const total = useComputed(() => {
    const all = [...server.jobs.value.values()].filter((one) => one.edit === job.edit);
    const done = all.filter((one) => one.state === "done").length;
    const part = job.steps ? job.step / job.steps : 0;
    return Math.min(1, (done + part) / Math.max(1, all.length));
  });
  const stage = STAGES[job.stage] ?? job.stage;
  const left = job.left;
  const share = total.value;
  return (
    <div class="progress">
      <p>
        <span>
          <b>
            Candidate {job.k + 1} of {job.count}
          </b>
          {", "}
          {stage || `step ${job.step} of ${job.steps}`}
          {stage && job.steps > 1 ? `, ${job.step} of ${job.steps}` : ""}
        </span>
        <span>{job.state === "cancelling" ? "stopping" : left ? `about ${seconds(left[1])} left` : ""}</span>
      </p>
      <div
        class="track"
        role="progressbar"
        aria-label="Progress of this edit"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
      >
        <i style={{ width: `${share * 100}%` }} />
      </div>
      <p class="unseen" role="status" aria-live="polite">
        {`${Math.floor(share * 4) * 25} percent`}
      </p>
    </div>
  );
}

function Go() {
  const plan = server.plan.value;
  const job = server.working.value[0];
  if (job) {
    const hanging = job.silent || job.state === "cancelling" || server.model.value.state !== "ready";
    return (
      <div class="two">
        {hanging ? (
          <button type="button" class="go stop" onClick={() => void doc.stop(true)} title="Ends the worker's process; the model has to be loaded again">
            Stop now <small>the model is loaded again</small>
          </button>
        ) : (
          <button type="button" class="go stop" onClick={() => void doc.stop()}>
            Stop after this step <kbd>Esc</kbd>
          </button>
        )}
        <button type="button" class="go queue" disabled={!ready(plan)} onClick={() => void doc.run()} title="Put this edit behind those that wait">
          Queue
        </button>
      </div>
    );
  }
  return (
    <button type="button" class="go" disabled={!ready(plan)} onClick={() => void doc.run()}>
      Edit <kbd>Ctrl ⏎</kbd>
    </button>
  );
}

function ready(plan: typeof server.plan.value): boolean {
  return !!doc.picture.value && server.connected.value && !plan?.faults.length && !plan?.refusal;
}

export function Act() {
  const plan = server.plan.value;
  const paused = server.queue.value;
  const working = server.working.value.length > 0;
  const command = view.selected.value ? (server.results.value.get(view.selected.value)?.command || plan?.command) : plan?.command;
  return (
    <footer class="act">
      {paused.paused && server.waiting.value.length > 0 && (
        <p class="cost warn" role="status">
          <span>{paused.reason || "The queue is paused"}</span>
          <button type="button" class="link" onClick={() => void doc.pauseQueue(false)}>
            Go on
          </button>
        </p>
      )}
      {working ? <Progress /> : <Cost />}
      <Go />
      {command && doc.picture.value && (
        <button type="button" class="code" title="Show and copy the equal command line and Python" onClick={() => (view.dialog.value = "code")}>
          <span>{command}</span>
          <Icon name="copy" size={15} />
        </button>
      )}
    </footer>
  );
}
