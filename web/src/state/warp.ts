// The picture pulled along the drag points, live under the finger; the server's warp asks no network.
import { effect, signal } from "@preact/signals";
import * as doc from "./document";

/** Address of the pulled picture; null: no points. */
export const warp = signal<string | null>(null);
let warping = false;
let again = false;

effect(() => {
  void doc.points.value;
  void doc.method.value;
  void doc.picture.value;
  void doc.mapId.value;
  queueMicrotask(warpSoon);
});

/** Ask for the warp of the present points; while one is on its way the newest wins. */
function warpSoon(): void {
  if (warping) again = true;
  else void warpNow();
}

async function warpNow(): Promise<void> {
  const one = doc.picture.value;
  const pairs = doc.points.value.filter((p) => Math.hypot(p[2] - p[0], p[3] - p[1]) >= 1);
  if (!one || !pairs.length || !doc.info.value?.points) return show(null);
  warping = true;
  try {
    const answer = await fetch("api/warp", {
      method: "POST",
      headers: { "X-Scumble": "1", "Content-Type": "application/json" },
      body: JSON.stringify({ picture: one.id, map: doc.sentMap(), points: pairs }),
    });
    if (answer.ok) {
      const url = URL.createObjectURL(await answer.blob());
      if (doc.points.value.length && doc.picture.value?.id === one.id) show(url);
      else URL.revokeObjectURL(url);
    }
  } catch {
    // the points stay; the next move asks again
  } finally {
    warping = false;
    if (again) {
      again = false;
      void warpNow();
    }
  }
}

function show(url: string | null): void {
  const before = warp.peek();
  if (before) URL.revokeObjectURL(before);
  warp.value = url;
}
