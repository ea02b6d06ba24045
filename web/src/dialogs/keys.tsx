// The keys, and how the map is colored.
import * as server from "../state/server";
import * as view from "../state/view";
import { Dialog } from "./dialog";

const KEYS: [string, string][] = [
  ["B, E, G, L", "brush, eraser, gradient, lasso"],
  ["P, H or Space", "points, hand"],
  ["[ ]", "smaller, larger brush"],
  ["Shift [ ]", "softer, harder brush"],
  ["1 … 9, 0", "strength 10 % … 90 %, 100 %; with results: that candidate"],
  ["X", "strength to 0 and back"],
  ["I, M", "invert the map; show or hide it"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["Arrows, Shift arrows", "move the crosshair by 1, by 10"],
  ["Space on the picture", "stamp at the crosshair"],
  ["+ − F, Ctrl 1", "zoom, fit, 100 %"],
  ["\\", "hold to see the original"],
  ["Ctrl Enter", "edit"],
  ["Esc", "stop after this step; leave the result"],
  ["?", "this list"],
];

export function Keys() {
  return (
    <Dialog title="Keys and help">
      <table class="keys">
        <tbody>
          {KEYS.map(([key, what]) => (
            <tr key={key}>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="inline">
        <input
          type="checkbox"
          class="switch"
          role="switch"
          checked={view.letterKeys.value}
          onChange={(event) => (view.letterKeys.value = event.currentTarget.checked)}
        />{" "}
        Single letters are keys
      </label>
      <div class="row two-columns">
        <span>Color of the map</span>
        <span class="segments" role="radiogroup" aria-label="Color of the map">
          {["Teal", "Amber", "Magenta"].map((name, k) => (
            <button type="button" role="radio" key={name} aria-checked={view.palette.value === k} onClick={() => (view.palette.value = k)}>
              {name}
            </button>
          ))}
        </span>
      </div>
      <p class="dim small">
        Scumble {server.about.value.version}. Everything stays on this machine, in {server.about.value.folder}.
      </p>
    </Dialog>
  );
}
