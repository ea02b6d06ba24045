// Where the picture lies on the stage: zoom from far away to 32 screen pixels a pixel, and the way between both.
import * as document_ from "../state/document";
import { stageSize, viewport } from "../state/view";

export interface Place {
  x: number;
  y: number;
}

const MOST = 32;

export function toPicture(sx: number, sy: number): Place {
  const { scale, x, y } = viewport.value;
  return { x: (sx - x) / scale, y: (sy - y) / scale };
}

export function toStage(px: number, py: number): Place {
  const { scale, x, y } = viewport.value;
  return { x: x + px * scale, y: y + py * scale };
}

/** Room that the floating rows above and below the picture need. */
function margins(): { top: number; side: number; bottom: number } {
  return stageSize.value.width < 640 ? { top: 112, side: 0, bottom: 72 } : { top: 64, side: 24, bottom: 64 };
}

export function fit(): void {
  const picture = document_.picture.value;
  const { width, height } = stageSize.value;
  if (!picture || width < 8 || height < 8) return;
  const { top, side, bottom } = margins();
  const room = { width: Math.max(40, width - 2 * side), height: Math.max(40, height - top - bottom) };
  const scale = Math.min(room.width / picture.width, room.height / picture.height, 8);
  viewport.value = {
    scale,
    x: Math.round((width - picture.width * scale) / 2),
    y: Math.round(top + (room.height - picture.height * scale) / 2),
    fitted: true,
  };
}

/** Zoom so that the picture point under (sx, sy) stays there. */
export function zoomAt(sx: number, sy: number, factor: number): void {
  const now = viewport.value;
  const picture = document_.picture.value;
  if (!picture) return;
  const least = Math.min(0.5, 64 / Math.max(picture.width, picture.height));
  const scale = Math.min(MOST, Math.max(least, now.scale * factor));
  const point = toPicture(sx, sy);
  viewport.value = { scale, x: sx - point.x * scale, y: sy - point.y * scale, fitted: false };
}

export function zoomTo(scale: number): void {
  const { width, height } = stageSize.value;
  zoomAt(width / 2, height / 2, scale / viewport.value.scale);
}

export function pan(dx: number, dy: number): void {
  const now = viewport.value;
  viewport.value = { ...now, x: now.x + dx, y: now.y + dy, fitted: false };
}
