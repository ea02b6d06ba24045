// The row above the picture: what the chosen tool needs.
import * as operations from "../paint/operations";
import * as doc from "../state/document";
import * as view from "../state/view";
import { diameter } from "./pointer";
import { fit, zoomTo } from "./viewport";

function Slider(props: {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  text: string;
  change: (value: number) => void;
  wide?: boolean;
}) {
  const share = (props.value - props.min) / (props.max - props.min);
  return (
    <label class={props.wide ? "wide" : undefined}>
      {props.label}
      <input
        type="range"
        min={props.min}
        max={props.max}
        step={props.step}
        value={props.value}
        aria-valuetext={props.text}
        style={{ "--v": `${share * 100}%` }}
        onInput={(event) => props.change(Number(event.currentTarget.value))}
      />
      <output>{props.text}</output>
    </label>
  );
}

const PRESSURE = { size: "Pen: size", strength: "Pen: strength", none: "Pen: off" } as const;

export function Options() {
  const tool = view.tool.value;
  const paints = tool === "brush" || tool === "eraser";
  const map = doc.map.value;
  return (
    <div class="options" data-floating>
      {tool !== "hand" && tool !== "points" && (
        <div class="pill">
          {paints && (
            <>
              <Slider
                label="Size"
                value={Math.sqrt(view.size.value)}
                min={0.03}
                max={1}
                step={0.005}
                text={String(Math.round(diameter()))}
                change={(value) => (view.size.value = value * value)}
              />
              <Slider
                label="Hardness"
                value={view.hardness.value}
                min={0}
                max={1}
                step={0.05}
                text={`${Math.round(view.hardness.value * 100)} %`}
                change={(value) => (view.hardness.value = value)}
                wide
              />
            </>
          )}
          {tool !== "eraser" && (
            <Slider
              label="Strength"
              value={view.strength.value}
              min={0}
              max={1}
              step={0.01}
              text={view.strength.value.toFixed(2)}
              change={(value) => (view.strength.value = value)}
            />
          )}
        </div>
      )}
      {tool === "gradient" && <div class="pill second">Draw from full strength to nothing</div>}
      {tool === "lasso" && <div class="pill second">Draw around what may change</div>}
      {tool === "points" && (
        <div class="pill">
          {doc.info.value?.points
            ? "Pull from what is to move to where it shall be"
            : "Points are used by the drag methods: choose one under How"}
        </div>
      )}
      {tool === "hand" && <div class="pill">Move the picture; the wheel zooms</div>}
      {paints && (
        <button
          type="button"
          class="pill second"
          title="What the pressure of a pen changes"
          onClick={() => {
            const order = ["size", "strength", "none"] as const;
            view.pressure.value = order[(order.indexOf(view.pressure.value) + 1) % 3]!;
          }}
        >
          {PRESSURE[view.pressure.value]}
        </button>
      )}
      {map && tool !== "points" && (
        <button type="button" class="pill second" onClick={() => doc.did(operations.fill(map, view.strength.value))}>
          Fill
        </button>
      )}
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
