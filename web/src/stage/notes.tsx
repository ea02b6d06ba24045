// The row below the picture: until which step a strength is held, what may change, and what was proven afterwards.
import { Icon } from "../icons";
import * as operations from "../paint/operations";
import * as doc from "../state/document";
import * as server from "../state/server";
import * as view from "../state/view";
import { onKept } from "./points";
import { comparing } from "./stage";

const number = (value: number): string => value.toLocaleString("en-US");

/** Percent as the command line writes it. */
export function percent(share: number): string {
  if (share === 0) return "0";
  const text = (share * 100).toFixed(1).replace(/\.0$/, "");
  if (text === "0") return "less than 0.1";
  return text === "100" && share < 1 ? "more than 99.9" : text;
}

export function Legend() {
  if (comparing()) return <Proof />;
  const plan = server.released.value;
  if (!doc.info.value?.releases || !plan?.release) return <span />;
  const at = view.cursor.value;
  void doc.painted.value;
  const under = at && doc.map.value ? doc.map.value.at(Math.floor(at.x), Math.floor(at.y)) : 0;
  const value = under || Math.round(view.strength.value * 255);
  const step = plan.release[value] ?? 0;
  const text = (value / 255).toFixed(2);
  const words =
    value === 0 || step >= plan.steps
      ? "is kept as it is"
      : step <= 0
        ? "is free from the first step"
        : `is held until step ${step} of ${plan.steps}, then free`;
  const ticks = Math.min(50, plan.steps);
  return (
    <div class="note legend">
      <div class="ramp" aria-hidden="true" style={{ "--tick": `${100 / ticks}%` }}>
        <u style={{ left: `${(value / 255) * 100}%` }} />
      </div>
      <p>
        <span>kept</span>
        <span>
          <b>{text}</b> {words}
        </span>
        <span>new</span>
      </p>
    </div>
  );
}

function Proof() {
  const proof = server.results.value.get(view.selected.value!)?.proof;
  if (!proof) return <span />;
  if (!proof.protected)
    return <div class="note proof">The whole picture was free to change: nothing was protected</div>;
  return (
    <div class="note proof" data-broken={proof.changed ? "" : undefined} data-testid="proof">
      <Icon name={proof.changed ? "alert" : "check"} size={16} />
      <span>
        <b>
          {number(proof.changed)} of {number(proof.protected)}
        </b>{" "}
        protected pixels changed
      </span>
    </div>
  );
}

export function Notes() {
  const { share, mean, count } = doc.statistics.value;
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  if (result?.proof)
    return (
      <div class="note">
        inside the map: mean change <b>{result.proof.mean.toFixed(result.proof.mean < 10 ? 1 : 0)}</b>, largest{" "}
        <b>{result.proof.max}</b> of 255
      </div>
    );
  const blocked = doc.info.value?.points ? doc.points.value.findIndex(onKept) : -1;
  if (blocked >= 0)
    return (
      <div class="note warn" role="status">
        <Icon name="alert" size={15} /> Handle {blocked + 1} lies where nothing may change: paint there, or move it
      </div>
    );
  const map = doc.map.value;
  if (!count)
    return (
      <div class="note" data-testid="may-change">
        {doc.needsMap.value ? (
          <>
            Nothing is painted, so nothing may change.{" "}
            {map && (
              <button type="button" class="link" onClick={() => doc.did(operations.fill(map, view.strength.value || 1))}>
                Paint everything
              </button>
            )}
          </>
        ) : (
          "Nothing is painted: the whole picture may change"
        )}
      </div>
    );
  return (
    <div class="note" data-testid="may-change">
      <b>{percent(share)} %</b> of the pixels may change, mean strength <b>{mean.toFixed(2)}</b>
    </div>
  );
}
