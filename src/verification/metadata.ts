/** Looks for anything in an encoded image that is not its pixels. */
import sharp from "sharp";
import { sniffFormat } from "../documents/format.ts";

/** Names of the kinds of metadata in an encoded image; empty when there are none. */
export async function findMetadata(encoded: Buffer): Promise<string[]> {
  if (sniffFormat(encoded) === "pdf") return findPdfMetadata(encoded);
  const metadata = await sharp(encoded, { limitInputPixels: false }).metadata();
  const kinds = {
    exif: metadata.exif,
    xmp: metadata.xmp,
    iptc: metadata.iptc,
    icc: metadata.icc,
    photoshop: metadata.tifftagPhotoshop,
    comments: metadata.comments,
    orientation: metadata.orientation !== undefined && metadata.orientation > 1 ? metadata.orientation : undefined,
  };
  return Object.entries(kinds)
    .filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([name]) => name);
}

/** Names in a PDF's structure that lead to something other than pictures. What lies inside streams is not looked at. */
const pdfNames = [
  "Info",
  "Metadata",
  "ID",
  "Font",
  "Annots",
  "AcroForm",
  "Names",
  "Outlines",
  "EmbeddedFiles",
  "JavaScript",
];

function findPdfMetadata(encoded: Buffer): string[] {
  const structure = encoded.toString("latin1").replace(/\bstream\r?\n[\s\S]*?\r?\nendstream\b/g, "");
  return pdfNames.filter((name) => new RegExp(`/${name}\\b`).test(structure));
}
