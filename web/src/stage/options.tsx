// The row above the picture: what the chosen tool needs.
import { hatchColor } from "../form/places";
import * as operations from "../paint/operations";
import { Icon } from "../icons";
import * as doc from "../state/document";
import * as places from "../state/places";
import * as quick from "../state/quick";
import * as server from "../state/server";
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
  const map = doc.canvas.value;
  return (
    <div class="options" data-floating key={paints ? "paints" : tool /* another bar begins at its left, however far this one was moved */}>
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
      {map && tool !== "points" && tool !== "hand" && (
        <button
          type="button"
          class="pill second"
          aria-expanded={view.finding.value}
          title="Find a thing by a word and paint it"
          onClick={() => (view.finding.value = !view.finding.value)}
        >
          Find…
        </button>
      )}
      {places.current.value && (
        <button type="button" class="pill placed" title="Paint on what may change again" onClick={() => (places.active.value = 0)}>
          <i
            class="hatch"
            data-direction={places.layers.value.indexOf(places.current.value) + 1}
            style={hatchColor(places.layers.value.indexOf(places.current.value))}
          />
          <span>{places.current.value.text || (places.current.value.mode === "add" ? "more or less" : "a place")}</span>
          <Icon name="close" size={12} />
        </button>
      )}
      {doc.info.value?.releases && !places.current.value && (
        <>
          <button
            type="button"
            class="pill second"
            aria-expanded={quick.fanOpen.value}
            disabled={quick.fanBusy.value || server.model.value.state !== "ready"}
            title="The whole picture at eight strengths, to choose one by its look"
            onClick={() => void quick.openFan()}
          >
            {quick.shownThrough.value && <i class="dot" data-on="" />} {quick.fanBusy.value ? "Fanning…" : "Fan"}
          </button>
          <button
            type="button"
            class="pill second"
            aria-pressed={quick.liveMode.value}
            title="Show after every stroke what the edit would make, in few steps; nothing is kept"
            onClick={quick.toggleLive}
          >
            <i class="dot" data-on={quick.liveMode.value ? "" : undefined} data-busy={quick.liveBusy.value ? "" : undefined} /> Live
          </button>
        </>
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

/** Eight strengths as pictures: hover to look, click to paint with it. */
export function Fan() {
  const fan = quick.fan.value;
  if (!fan || !quick.fanOpen.value) return null;
  return (
    <div class="fan" data-floating onPointerLeave={() => (quick.fanShown.value = null)}>
      <div role="listbox" aria-label="Strengths by their look">
      {fan.map((one) => (
        <button
          type="button"
          key={one.strength}
          class="card"
          role="option"
          aria-selected={Math.abs(view.strength.value - one.strength) < 0.01}
          aria-label={`Strength ${one.strength.toFixed(2)}`}
          onPointerEnter={() => (quick.fanShown.value = one.picture)}
          onFocus={() => (quick.fanShown.value = one.picture)}
          onClick={() => {
            view.strength.value = Math.round(one.strength * 100) / 100;
            quick.closeFan();
          }}
        >
          <img src={one.picture} alt="" draggable={false} />
          <kbd>{one.strength.toFixed(2)}</kbd>
        </button>
      ))}
      </div>
      <label class="inline small" title="What is painted shows what its strength made of the picture">
        <input type="checkbox" class="switch" role="switch" checked={quick.through.value} onChange={quick.toggleThrough} /> Paint with these
      </label>
    </div>
  );
}
