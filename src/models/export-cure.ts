/** How a missing model folder is made. */
import { basename, dirname } from "node:path";
import type { ModelKind } from "./model-folder.ts";

/** As in scripts/model_presets.py. */
const presets = ["tiny", "small", "sd2"];

const kinds: Record<ModelKind, true> = { vae: true, unet: true, glyph_encoder: true, vgg16: true };

/** The command that makes the model folder `path`: exports write one folder per kind, packs are named after presets. */
export function exportCure(path: string): string {
  const kind = Object.hasOwn(kinds, basename(path)) ? basename(path) : undefined;
  const pack = kind === undefined ? path : dirname(path);
  const preset = presets.find((known) => known === basename(pack));
  const command = `.venv/bin/python scripts/export_models.py --preset ${preset ?? "PRESET"} --out ${shellWord(pack)}`;
  return preset === undefined
    ? `Export one with \`${command}\` (${presets.join(", ")}), or give the folder of a model that you trained.`
    : `Export it with \`${command}${kind === undefined ? "" : ` --only ${kind}`}\`.`;
}

const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
