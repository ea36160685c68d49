/** The tiny models as a pack that repaints: with the text projection that an exported UNet has. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256OfFile } from "./hash.ts";
import { writeTensors } from "./safetensors.ts";
import { normalTensor, projectionWidths, tinyFolder } from "./tiny.ts";

/** Copies the models into `folder` and adds an untrained projection. */
export function writeTinyPack(folder: string): void {
  for (const part of ["vae", "unet", "glyph_encoder"] as const)
    cpSync(tinyFolder(part), join(folder, part), { recursive: true });
  const { inputWidth, outputWidth } = projectionWidths();
  const projection = join(folder, "unet", "text_projection.safetensors");
  writeTensors(projection, {
    weight: normalTensor([outputWidth, inputWidth], 1),
    bias: normalTensor([outputWidth], 2),
  });
  const file = join(folder, "unet", "metadata.json");
  const metadata = JSON.parse(readFileSync(file, "utf8"));
  metadata.sha256["text_projection.safetensors"] = sha256OfFile(projection);
  writeFileSync(file, JSON.stringify(metadata));
}
