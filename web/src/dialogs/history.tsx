// What was made and what waits: the queue, and every edit behind the chain of pictures that led to it.
import { useState } from "preact/hooks";
import { post, type Result } from "../api";
import { Icon } from "../icons";
import { lineage } from "../jobs/tree";
import * as doc from "../state/document";
import * as server from "../state/server";
import { Chains } from "./chain";
import { close, Dialog } from "./dialog";

export function HistoryDialog() {
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
      <Chains />
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
            {lineage(all, list[0]!.picture).map((link, k, links) => (
              <>
                <button
                  type="button"
                  class="card parent"
                  key={link.picture}
                  aria-label={k === links.length - 1 ? "The picture it was made from" : `The picture ${links.length - 1 - k} edits before`}
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
