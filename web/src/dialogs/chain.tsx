// The chain of edits as a drawing: thumbnails in a line, a branch wherever a picture was gone on from twice.
import { type Node, trees } from "../jobs/tree";
import * as doc from "../state/document";
import * as server from "../state/server";
import { close } from "./dialog";

const WIDE = 132; // a column
const HIGH = 84; // a row
const CARD = { width: 84, height: 56 };
const MOST = 12; // drawings; what is older lies in the list below

export function Chains() {
  const current = doc.picture.value?.id ?? null;
  const drawn = trees([...server.results.value.values()], current).slice(0, MOST);
  if (!drawn.length) return null;
  return (
    <section class="part">
      <h3>Chain of edits</h3>
      {drawn.map((nodes) => (
        <Drawing key={nodes[0]!.picture} nodes={nodes} current={current} />
      ))}
    </section>
  );
}

function Drawing({ nodes, current }: { nodes: Node[]; current: string | null }) {
  const columns = Math.max(...nodes.map((one) => one.column)) + 1;
  const rows = Math.max(...nodes.map((one) => one.row)) + 1;
  const size = { width: `${(columns - 1) * WIDE + CARD.width + 8}px`, height: `${rows * HIGH}px` };
  return (
    <div class="drawn" tabIndex={0} role="group" aria-label={`${nodes.length} pictures, ${nodes.length - 1} kept edits`}>
      <div style={size}>
        <svg aria-hidden="true" width={size.width} height={size.height}>
          {nodes.map((one) => one.parent && <path key={one.picture} d={line(one.parent, one)} data-here={one.picture === current ? "" : undefined} />)}
        </svg>
        {nodes.map((one) => (
          <button
            type="button"
            key={one.picture}
            class="card"
            style={{ left: `${one.column * WIDE + 4}px`, top: `${one.row * HIGH + 4}px` }}
            aria-current={one.picture === current}
            aria-label={`${name(one)}${one.results ? `, ${one.results} results made from it` : ""}: go on from here`}
            title={name(one)}
            onClick={() => {
              close();
              void doc.goTo({ picture: one.picture, result: one.from?.id ?? null });
            }}
          >
            <img src={`api/pictures/${one.picture}/display?max=160`} alt="" draggable={false} />
            {one.results > 0 && <kbd>{one.results}</kbd>}
          </button>
        ))}
        {nodes.map((one) => (
          <small key={one.picture} class="dim" aria-hidden="true" style={{ left: `${one.column * WIDE + 4}px`, top: `${one.row * HIGH + CARD.height + 8}px` }}>
            {one.from ? one.from.prompt || one.from.method : "the first picture"}
          </small>
        ))}
      </div>
    </div>
  );
}

function name(one: Node): string {
  if (!one.from) return "The first picture";
  return `After ${one.column} ${one.column === 1 ? "edit" : "edits"}: ${one.from.prompt || one.from.method}`;
}

/** From the right side of one thumbnail to the left side of the next, down to its row. */
function line(from: Node, to: Node): string {
  const x = from.column * WIDE + CARD.width + 6;
  const y = from.row * HIGH + CARD.height / 2 + 4;
  const end = { x: to.column * WIDE - 2, y: to.row * HIGH + CARD.height / 2 + 4 };
  const middle = (x + end.x) / 2;
  const head = `M${end.x - 5} ${end.y - 4}l5 4-5 4`;
  return y === end.y ? `M${x} ${y}H${end.x}${head}` : `M${x} ${y}C${middle} ${y} ${middle} ${end.y} ${end.x} ${end.y}${head}`;
}
