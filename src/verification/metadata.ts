/** Looks for anything in an encoded image that is not its pixels. */
import sharp from "sharp";

/** Names of the kinds of metadata in an encoded image; empty when there are none. */
export async function findMetadata(encoded: Buffer): Promise<string[]> {
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
