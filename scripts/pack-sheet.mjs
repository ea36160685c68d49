// node scripts/pack-sheet.mjs PACK OUT.png [--pieces N] [--seed N]
// A contact sheet of what a pack draws: pieces of synthetic documents it was not trained on, as printed (left) and with
// one line replaced by an invented one (right). Beside each piece a mark says at which height the line stands.
import { parseArgs } from "node:util";
import sharp from "sharp";
import { bundle } from "./bundle.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pieces: { type: "string", default: "16" }, seed: { type: "string", default: "sheet" } },
});
const [pack, out] = positionals;
if (out === undefined) throw new Error("usage: pack-sheet.mjs PACK OUT.png [--pieces N] [--seed N]");

const piece = { width: 460, height: 108 };
const gap = 10;
const margin = 14;

const { parts } = await bundle("pack-sheet", { parts: "scripts/pack-sheet-parts.ts" });
const { createDiffusionEngine, createPseudonymizer, DocumentSynthesizer, entityOf, repaint } = await import(parts);
const pseudonymizer = createPseudonymizer({ key: "contact sheet" });

/** Pieces with a line of personal data in the middle, from many documents. */
async function choose(count) {
  const synthesizer = new DocumentSynthesizer(values.seed);
  const pieces = [];
  for (let index = 0; pieces.length < count; index++) {
    const { image, regions } = await synthesizer.document(index);
    const line = regions.find(
      ({ entity, box: [x0, y0, x1, y1] }) =>
        ["person", "company", "address", "date"].includes(entity) &&
        y1 - y0 >= 12 &&
        x1 - x0 >= 60 &&
        x1 - x0 <= piece.width - 20 &&
        image.width >= piece.width &&
        image.height >= piece.height,
    );
    if (line !== undefined) pieces.push({ image, regions, line });
  }
  return pieces;
}

/** The piece's page with its line replaced. */
async function replaceLine(engine, { image, regions, line }) {
  const entity = entityOf(line.box, line.text, line.entity, "e");
  const [{ fake }] = await pseudonymizer.replace([entity], { pageTexts: regions.map(({ text }) => text ?? "") });
  const others = regions.filter((region) => region !== line).map(({ box }) => box);
  return repaint(
    { image, samples: [{ page: 0, id: "e", box: line.box, text: line.text, fake }], others },
    engine,
    "fake",
  );
}

async function cut(image, [x0, y0, x1, y1]) {
  const within = (middle, size, limit) => Math.max(0, Math.min(limit - size, Math.round(middle - size / 2)));
  const left = within((x0 + x1) / 2, piece.width, image.width);
  const top = within((y0 + y1) / 2, piece.height, image.height);
  const raw = { width: image.width, height: image.height, channels: 3 };
  const png = await sharp(image.data, { raw })
    .extract({ left, top, ...piece })
    .png()
    .toBuffer();
  return { png, from: y0 - top, to: y1 - top };
}

const engine = await createDiffusionEngine({ models: pack, device: "cpu" });
const layers = [];
const pieces = await choose(Number(values.pieces));
for (const [row, chosen] of pieces.entries()) {
  const top = gap + row * (piece.height + gap);
  const painted = await replaceLine(engine, chosen);
  for (const [column, image] of [chosen.image, painted].entries()) {
    const { png, from, to } = await cut(image, chosen.line.box);
    const left = margin + column * (piece.width + margin);
    layers.push({ input: png, left, top });
    const height = Math.max(4, Math.min(piece.height, Math.round(to - from)));
    const mark = { width: 5, height, channels: 3, background: column === 0 ? "#777777" : "#c03030" };
    layers.push({ input: { create: mark }, left: left - 9, top: top + Math.max(0, Math.round(from)) });
  }
}
await engine.close();
await sharp({
  create: {
    width: margin + 2 * (piece.width + margin),
    height: gap + pieces.length * (piece.height + gap),
    channels: 3,
    background: "#ffffff",
  },
})
  .composite(layers)
  .png({ palette: true, colours: 128 })
  .toFile(out);
console.log(`${out}: ${pieces.length} pieces`);
