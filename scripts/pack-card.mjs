/** The card of the shipped models: README.md at the top of the pack. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const count = (value) => value.toLocaleString("en-US");
const share = (value) => `${(100 * value).toFixed(1)} %`;

/**
 * `pack`: its folder; `seconds`: { data, vae, unet }, what each part took; `scores`: result of the benchmark `fidelity`,
 * or undefined where the receipts it needs are not at hand.
 */
export function packCard(pack, { documents, seed, seconds, machine, scores }) {
  const metadata = (part) => JSON.parse(readFileSync(join(pack, part, "metadata.json"), "utf8"));
  const parts = { vae: metadata("vae"), unet: metadata("unet"), glyph_encoder: metadata("glyph_encoder") };
  const { sampling } = parts.unet.inpainting;
  const trained = (part) => `${count(parts[part].training.step)} steps, ${count(parts[part].training.samples)} crops`;
  const hours = Object.values(seconds).reduce((sum, value) => sum + value, 0) / 3600;
  return `# document-small

Draws a line of text into a scan in the look of its line: an autoencoder, an inpainting UNet of nine channels that gets a
draft of the text in the masked image, and a glyph encoder of the rendered text. Weights in bfloat16.

| part | parameters | trained |
|---|---|---|
| vae (÷4, 4 channels) | ${count(parts.vae.parameters)} | ${trained("vae")} |
| unet | ${count(parts.unet.parameters)} | ${trained("unet")} |
| glyph_encoder | ${count(parts.glyph_encoder.parameters)} | with the UNet |

## Data

${count(Number(documents))} synthetic documents, drawn from seed ${seed} by this project: receipts, invoices, letters, forms and cards in six
languages, with invented names, addresses and numbers. No real document was used, and no weights of others.

## Made by

\`npm run train:pack\` in ${hours.toFixed(1)} h on ${machine}. Sampled best with ${sampling.sampler}, ${sampling.steps} ${sampling.steps === 1 ? "step" : "steps"}, strength ${sampling.strength},
${sampling.changeScale ?? 1} of the change to the draft taken; that is what the engine does unless told otherwise.

## Scores

${scores === undefined ? "Not scored: the real receipts that are needed for it were not at hand." : scoreTable(scores)}

## Limits

Lines of printed Latin text, up to eight times as wide as high; crops of ${parts.unet.training.height} × ${parts.unet.training.width} px. It restyles a draft and does not
spell by itself. Its results have to be read again and checked, as the anonymizer does: what can't be read is drawn by
the classical engine. Handwriting comes out as neat handwriting, if at all.
`;
}

function scoreTable({ boxes, untouched, engines }) {
  const row = (name, { psnr, ssim, own, fresh }) =>
    `| ${name} | ${psnr.toFixed(2)} dB | ${ssim.toFixed(4)} | ${share(own.ppocr.exact)} | ${share(fresh.ppocr.exact)} |`;
  return `${boxes} boxes of real receipts (none of which was trained on), repainted with their own text and compared with the true
pixels, and with invented texts; read by PP-OCR (without case and spaces). Of the untouched boxes ${share(untouched.ppocr.exact)} are read
exactly.

| engine | PSNR | SSIM | own text read exactly | new text read exactly |
|---|---|---|---|---|
${row("classical: the draft", engines.classical)}
${row("these models", engines.diffusion)}`;
}
