/** Draws a sheet, band by band, so that a large page never holds the thread for long. */
import { createCanvas, type SKRSContext2D } from "@napi-rs/canvas";
import type { Size } from "../../documents/geometry.ts";
import { setExactText } from "../../rendering/exact-text.ts";
import { registerFace } from "../../rendering/fonts.ts";
import { pause } from "../pause.ts";
import { type DotPrint, dotAreas } from "./dot-print.ts";
import { atomBox, atomStart } from "./ink-boxes.ts";
import type { PageMap } from "./page-map.ts";
import type { Atom, Rgb, Shape, Sheet, SheetLine } from "./sheet.ts";

/** One drawing step with the rows it can touch. */
interface Step {
  readonly top: number;
  readonly bottom: number;
  readonly over: boolean;
  readonly draw: (context: SKRSContext2D, bandTop: number) => void;
}

const css = (colour: Rgb): string => `rgb(${colour[0]},${colour[1]},${colour[2]})`;

/**
 * Draws `sheet`, whose first item is the paper, on a transparent page of the given size. `onBand` gets RGBA bytes of `rows` full rows from `top`, valid
 * until the next band; the event loop gets a turn between bands.
 */
export async function drawBands(
  sheet: Sheet,
  map: PageMap,
  page: Size,
  bandRows: number,
  onBand: (rgba: Uint8ClampedArray, top: number, rows: number) => void,
): Promise<void> {
  const steps = sheet.items.flatMap((item) => (item.kind === "shape" ? [shapeStep(item, map)] : textSteps(item, map)));
  await pause();
  const canvas = createCanvas(page.width, Math.min(bandRows, page.height));
  const context = canvas.getContext("2d");
  setExactText(context);
  for (let top = 0; top < page.height; top += bandRows) {
    const rows = Math.min(bandRows, page.height - top);
    context.resetTransform();
    context.clearRect(0, 0, page.width, rows);
    // The first shape is the paper; what follows leaves its mark on paper only.
    steps.forEach((step, i) => {
      context.globalCompositeOperation = i === 0 ? "source-over" : step.over ? "multiply" : "source-atop";
      if (step.top < top + rows && step.bottom > top) step.draw(context, top);
    });
    onBand(context.getImageData(0, 0, page.width, rows).data, top, rows);
    await pause();
  }
}

function shapeStep(shape: Shape, map: PageMap): Step {
  const points = shape.points.map(([x, y]) => map.point(x, y));
  const ys = points.map(([, y]) => y);
  const draw = (context: SKRSContext2D, bandTop: number): void => {
    context.setTransform(1, 0, 0, 1, 0, -bandTop);
    context.globalAlpha = shape.alpha;
    context.beginPath();
    points.forEach(([x, y], i) => {
      if (i === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    });
    if (shape.closed) context.closePath();
    if (shape.fill !== undefined) {
      context.fillStyle = css(shape.fill);
      context.fill();
    }
    if (shape.stroke !== undefined) {
      context.strokeStyle = css(shape.stroke);
      context.lineWidth = shape.width;
      context.setLineDash([...(shape.dash ?? [])]);
      context.stroke();
    }
  };
  return { top: Math.min(...ys) - shape.width - 1, bottom: Math.max(...ys) + shape.width + 1, over: shape.over, draw };
}

function textSteps(line: SheetLine, map: PageMap): Step[] {
  return line.atoms.flatMap((atom) => {
    const box = atomBox(line, atom, map);
    const over = atom.style.over ?? false;
    return box === undefined ? [] : [{ top: box[1] - 2, bottom: box[3] + 2, over, draw: textDrawer(line, atom, map) }];
  });
}

function textDrawer(line: SheetLine, atom: Atom, map: PageMap): Step["draw"] {
  if (atom.style.dots !== undefined) return dotDrawer(line, atom, atom.style.dots, map);
  const { face, size, colour, stretch = 1, tall = 1, spacing = 0, bleed = 0, alpha = 1 } = atom.style;
  registerFace(face);
  const { x, y, a, b, c, d } = map.local(...atomStart(line, atom), line.turn);
  const font = `${size}px "${face.family}"`;
  return (context, bandTop) => {
    context.setTransform(a * stretch, b * stretch, c * tall, d * tall, x, y - bandTop);
    context.globalAlpha = alpha;
    context.font = font;
    context.letterSpacing = `${spacing / stretch}px`;
    context.fillStyle = css(colour);
    context.fillText(atom.text, 0, 0);
    if (bleed > 0) {
      context.strokeStyle = css(colour);
      context.lineWidth = 2 * bleed;
      context.setLineDash([]);
      context.strokeText(atom.text, 0, 0);
    }
  };
}

function dotDrawer(line: SheetLine, atom: Atom, print: DotPrint, map: PageMap): Step["draw"] {
  const { face, size, colour, stretch = 1, tall = 1, spacing = 0, alpha = 1 } = atom.style;
  const { x, y, a, b, c, d } = map.local(...atomStart(line, atom), line.turn);
  const pitch = size / print.em;
  const [across, down] = [pitch * stretch, pitch * tall];
  let areas: ReturnType<typeof dotAreas> | undefined;
  return (context, bandTop) => {
    // Not before it is drawn: so the work is spread over the bands.
    areas ??= dotAreas(atom.text, face, print, spacing / across);
    context.setTransform(a * across, b * across, c * down, d * down, x, y - bandTop);
    context.fillStyle = css(colour);
    for (const { path, ink } of areas) {
      context.globalAlpha = alpha * ink;
      context.fill(path);
    }
  };
}
