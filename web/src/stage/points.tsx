// Drag points as buttons over the picture: a filled handle, a ring as target, a line with an arrow between them.
// As everywhere in Scumble the center of the first pixel is (0, 0): the stage is half a pixel further.
import type { Pair } from "../api";
import * as doc from "../state/document";
import * as server from "../state/server";
import * as view from "../state/view";

export function movePoint(pair: number, end: 0 | 1, dx: number, dy: number): void {
  doc.setPoints(
    doc.points.value.map((p, k) =>
      k !== pair ? p : ((end === 0 ? [p[0] + dx, p[1] + dy, p[2], p[3]] : [p[0], p[1], p[2] + dx, p[3] + dy]) as Pair),
    ),
  );
}

export function removePoint(pair: number): void {
  doc.setPoints(doc.points.value.filter((_, k) => k !== pair));
  view.focusedPoint.value = null;
}

/** Whether a handle lies where the map keeps everything. */
export function onKept(pair: Pair): boolean {
  void doc.painted.value;
  const map = doc.map.value;
  return !!map && doc.statistics.value.count > 0 && map.at(Math.round(pair[0]), Math.round(pair[1])) === 0;
}

function keys(event: KeyboardEvent, pair: number, end: 0 | 1): void {
  const step = event.shiftKey ? 10 : 1;
  const moves: Record<string, [number, number]> = {
    ArrowLeft: [-step, 0],
    ArrowRight: [step, 0],
    ArrowUp: [0, -step],
    ArrowDown: [0, step],
  };
  const move = moves[event.key];
  if (move) movePoint(pair, end, ...move);
  else if (event.key === "Delete" || event.key === "Backspace") removePoint(pair);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

export function Pairs() {
  const pairs = doc.points.value;
  if (!pairs.length || (!doc.info.value?.points && view.tool.value !== "points")) return null;
  const { scale, x, y } = view.viewport.value;
  const result = view.selected.value ? server.results.value.get(view.selected.value) : null;
  return (
    <svg class="pairs" role="group" aria-label="Drag points">
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M1 1 7 4 1 7" />
        </marker>
      </defs>
      {pairs.map((pair, k) => {
        const [ax, ay, bx, by] = [
          x + (pair[0] + 0.5) * scale,
          y + (pair[1] + 0.5) * scale,
          x + (pair[2] + 0.5) * scale,
          y + (pair[3] + 0.5) * scale,
        ];
        const long = Math.hypot(bx - ax, by - ay);
        const cut = long > 12 ? (long - 8) / long : 0;
        const left = result?.arrival[k];
        return (
          <g key={k} data-kept={onKept(pair) ? "" : undefined}>
            {cut > 0 && (
              <>
                <line class="under" x1={ax} y1={ay} x2={ax + (bx - ax) * cut} y2={ay + (by - ay) * cut} />
                <line x1={ax} y1={ay} x2={ax + (bx - ax) * cut} y2={ay + (by - ay) * cut} marker-end="url(#arrow)" />
              </>
            )}
            <circle
              class="target"
              cx={bx}
              cy={by}
              r={8}
              role="button"
              tabIndex={0}
              data-pair={k}
              data-end={1}
              aria-label={`Target ${k + 1} at ${Math.round(pair[2])}, ${Math.round(pair[3])}`}
              onFocus={() => (view.focusedPoint.value = { pair: k, end: 1 })}
              onKeyDown={(event) => keys(event, k, 1)}
            />
            <circle
              class="handle"
              cx={ax}
              cy={ay}
              r={6}
              role="button"
              tabIndex={0}
              data-pair={k}
              data-end={0}
              aria-label={`Handle ${k + 1} at ${Math.round(pair[0])}, ${Math.round(pair[1])}`}
              onFocus={() => (view.focusedPoint.value = { pair: k, end: 0 })}
              onKeyDown={(event) => keys(event, k, 0)}
            />
            <text x={ax + 10} y={ay - 8} aria-hidden="true">
              {k + 1}
            </text>
            {left !== undefined && (
              <text x={bx + 12} y={by + 4} class="left">
                {left < 1 ? "arrived" : `${Math.round(left)} px left`}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}
