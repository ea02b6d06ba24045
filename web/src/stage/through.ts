// Results seen through the map: each pixel shows what its strength made of the whole picture, as the fan has it.
import type { StrengthMap } from "../paint/strength_map";

interface Layer {
  strength: number;
  pixels: Uint8ClampedArray;
}

/** The fan's pictures as pixels of one size; drawn for the screen alone. */
export class Through {
  private constructor(
    private readonly layers: Layer[],
    readonly width: number,
    readonly height: number,
  ) {}

  static async of(looks: { strength: number; picture: string }[]): Promise<Through> {
    const layers: Layer[] = [];
    let [width, height] = [0, 0];
    for (const { strength, picture } of looks) {
      const image = new Image();
      image.src = picture;
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = width = image.naturalWidth;
      canvas.height = height = image.naturalHeight;
      const context = canvas.getContext("2d", { willReadFrequently: true })!;
      context.drawImage(image, 0, 0);
      layers.push({ strength, pixels: context.getImageData(0, 0, width, height).data });
    }
    return new Through(layers, width, height);
  }

  draw(canvas: HTMLCanvasElement, map: StrengthMap): void {
    if (canvas.width !== this.width || canvas.height !== this.height) {
      canvas.width = this.width;
      canvas.height = this.height;
    }
    const image = new ImageData(this.width, this.height);
    mix(image.data, this.width, this.height, this.layers, map);
    canvas.getContext("2d")!.putImageData(image, 0, 0);
  }
}

/** Fill RGBA pixels: between two strengths their pictures are mixed, below the first it is the more transparent. */
export function mix(out: Uint8ClampedArray, width: number, height: number, layers: Layer[], map: StrengthMap): void {
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * map.height) / height) * map.width;
    for (let x = 0; x < width; x++) {
      const value = map.data[row + Math.floor(((x + 0.5) * map.width) / width)]! / 255;
      if (value === 0) continue;
      let k = 0;
      while (k < layers.length - 1 && layers[k]!.strength < value) k++;
      const upper = layers[k]!;
      const lower = k > 0 ? layers[k - 1]! : null;
      const base = lower?.strength ?? 0;
      const share = Math.min(1, (value - base) / (upper.strength - base));
      const at = 4 * (y * width + x);
      for (let c = 0; c < 3; c++) {
        const top = upper.pixels[at + c]!;
        out[at + c] = lower ? lower.pixels[at + c]! * (1 - share) + top * share : top;
      }
      out[at + 3] = lower ? 255 : 255 * share;
    }
  }
}
