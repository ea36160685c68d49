// node scripts/pack-curve.mjs WORK OUT.png
// Charts of what training buys, from the work folder of `train:pack --curve`: held-out loss, likeness to the true pixels
// and new text that is read, over the crops trained on. The dashed line is the draft, the classical engine's drawing.
import { join } from "node:path";
import sharp from "sharp";
import { jsonLines } from "./json-lines.mjs";

const [work, out] = process.argv.slice(2);
if (out === undefined) throw new Error("usage: pack-curve.mjs WORK OUT.png");

const scores = jsonLines(join(work, "curve.jsonl"));
const draft = scores.find(({ name }) => name === "draft");
const curve = scores.filter((entry) => entry !== draft).sort((a, b) => a.samples - b.samples);
const crops = curve.at(-1).samples / Number(curve.at(-1).name.replace("step-", ""));
const held = jsonLines(join(work, "unet", "events.jsonl"))
  .filter(({ type }) => type === "validation")
  .map(({ step, losses }) => ({ samples: step * crops, losses }));

const panel = { width: 440, height: 250 };
const plot = { left: 56, right: 424, top: 40, bottom: 210 };

/** Round values about a third of the range apart. */
function ticks(low, high) {
  const rough = (high - low) / 3;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((value) => value >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => Number(((first + index) * step).toPrecision(6)));
}

function chart({ title, from = curve, value, level, shown = String }, place) {
  const points = from.map((entry) => ({ x: entry.samples, y: value(entry) })).filter(({ y }) => Number.isFinite(y));
  const values = [...points.map(({ y }) => y), ...(level === undefined ? [] : [level])];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = (most - least) * 0.12 || 0.01;
  const [low, high] = [least - room, most + room];
  const furthest = curve.at(-1).samples;
  const x = (samples) => plot.left + ((plot.right - plot.left) * samples) / furthest;
  const y = (number) => plot.bottom - ((plot.bottom - plot.top) * (number - low)) / (high - low);
  const grid = ticks(low, high).map(
    (tick) =>
      `<line x1="${plot.left}" x2="${plot.right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#e4e4e4"/>` +
      `<text x="${plot.left - 8}" y="${y(tick) + 4}" text-anchor="end">${shown(tick)}</text>`,
  );
  const below = ticks(0, furthest).map(
    (tick) => `<text x="${x(tick)}" y="${plot.bottom + 18}" text-anchor="middle">${tick / 1000}</text>`,
  );
  const dashed =
    level === undefined
      ? ""
      : `<line x1="${plot.left}" x2="${plot.right}" y1="${y(level)}" y2="${y(level)}" stroke="#777" stroke-dasharray="6 4"/>` +
        `<text x="${plot.right}" y="${y(level) - 5}" text-anchor="end" fill="#777">draft</text>`;
  const marks = points.map((p) => `<circle cx="${x(p.x)}" cy="${y(p.y)}" r="3.5" fill="#0071bc"/>`);
  const path = points.map((p) => `${x(p.x)},${y(p.y)}`).join(" ");
  const [column, row] = [place % 2, Math.floor(place / 2)];
  return `<g transform="translate(${column * panel.width},${row * panel.height})">
<text x="${plot.left}" y="24" font-size="14" font-weight="bold" fill="#222">${title}</text>${grid.join("")}${below.join("")}
<text x="${plot.right}" y="${plot.bottom + 34}" text-anchor="end">thousand crops trained on</text>${dashed}
<polyline points="${path}" fill="none" stroke="#0071bc" stroke-width="2"/>${marks.join("")}</g>`;
}

const percent = (share) => `${Number((100 * share).toFixed(1))} %`;
const charts = [
  { title: "Held-out loss (velocity, mask weighted)", from: held, value: ({ losses }) => losses.denoising },
  { title: "Own text: PSNR, dB", value: ({ psnr }) => psnr, level: draft?.psnr },
  { title: "Own text: SSIM", value: ({ ssim }) => ssim, level: draft?.ssim },
  {
    title: "New text read exactly",
    value: (e) => e.fresh.ppocr.exact,
    level: draft?.fresh.ppocr.exact,
    shown: percent,
  },
];
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * panel.width}" height="${2 * panel.height}" font-family="sans-serif" font-size="11" fill="#555">
<rect width="100%" height="100%" fill="#fff"/>${charts.map(chart).join("\n")}</svg>`;
await sharp(Buffer.from(svg)).png({ palette: true, colours: 64 }).toFile(out);
console.log(`${out}: ${curve.length} checkpoints`);
