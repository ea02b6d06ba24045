// Before and after: a divider that is dragged or moved by keys, side by side, what changed, the result alone.
import { useRef } from "preact/hooks";
import * as doc from "../state/document";
import * as view from "../state/view";
import { fit, zoomTo } from "./viewport";

const WAYS: [view.Compare, string][] = [
  ["slider", "Slider"],
  ["side", "Side by side"],
  ["change", "What changed"],
  ["result", "Result"],
];

export function CompareOptions() {
  return (
    <div class="options" data-floating>
      <div class="pill ways" role="radiogroup" aria-label="How to compare">
        {WAYS.map(([way, label]) => (
          <button
            type="button"
            role="radio"
            key={way}
            aria-checked={view.compare.value === way}
            onClick={() => (view.compare.value = way)}
          >
            {label}
          </button>
        ))}
        <button
          type="button"
          class="hold"
          onPointerDown={() => (view.before.value = true)}
          onPointerUp={() => (view.before.value = false)}
          onPointerLeave={() => (view.before.value = false)}
        >
          Hold <kbd>\</kbd> for before
        </button>
      </div>
      <button type="button" class="pill second" onClick={() => (view.selected.value = null)}>
        Go on painting
      </button>
      <span class="push" />
      <button
        type="button"
        class="pill second"
        aria-label={`Zoom ${Math.round(view.viewport.value.scale * 100)} %: ${view.viewport.value.fitted ? "show at 100 %" : "fit"}`}
        onClick={() => (view.viewport.value.fitted ? zoomTo(1) : fit())}
      >
        {Math.round(view.viewport.value.scale * 100)} %
      </button>
    </div>
  );
}

export function Divider() {
  const knob = useRef<HTMLDivElement>(null);
  const picture = doc.picture.value!;
  const { scale, x, y } = view.viewport.value;
  const width = picture.width * scale;
  const move = (clientX: number): void => {
    const left = knob.current!.parentElement!.getBoundingClientRect().left + x;
    view.split.value = Math.min(1, Math.max(0, (clientX - left) / width));
  };
  return (
    <div
      ref={knob}
      class="knob"
      role="slider"
      tabIndex={0}
      aria-label="Divider between before and after"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(view.split.value * 100)}
      data-floating
      style={{
        transform: `translate(${x + width * view.split.value}px, ${Math.max(0, y)}px)`,
        height: `${Math.min(view.stageSize.value.height, y + picture.height * scale) - Math.max(0, y)}px`,
      }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        move(event.clientX);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) move(event.clientX);
      }}
      onKeyDown={(event) => {
        const step = event.shiftKey ? 0.1 : 0.02;
        const way = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
        if (way) view.split.value = Math.min(1, Math.max(0, view.split.value + way * step));
        else if (event.key === "Home") view.split.value = 0;
        else if (event.key === "End") view.split.value = 1;
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    />
  );
}
