/** Which format a file has, told by its first bytes. File names and extensions are never looked at. */
import type { DocumentFormat } from "./document.ts";

/** Bytes needed to tell every format apart. */
export const magicLength = 16;

const startsWith = (bytes: Uint8Array, magic: readonly number[], offset = 0): boolean =>
  bytes.length >= offset + magic.length && magic.every((byte, i) => bytes[offset + i] === byte);

const png = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const jpeg = [0xff, 0xd8, 0xff];
/** "%PDF-" */
const pdf = [0x25, 0x50, 0x44, 0x46, 0x2d];
const riff = [0x52, 0x49, 0x46, 0x46];
const webp = [0x57, 0x45, 0x42, 0x50];
/** Classic and big TIFF, little and big endian. */
const tiffs = [
  [0x49, 0x49, 0x2a, 0x00],
  [0x4d, 0x4d, 0x00, 0x2a],
  [0x49, 0x49, 0x2b, 0x00],
  [0x4d, 0x4d, 0x00, 0x2b],
];

/** The format of a file that starts with `bytes` (give at least `magicLength` of them), or undefined. */
export function sniffFormat(bytes: Uint8Array): DocumentFormat | undefined {
  if (startsWith(bytes, png)) return "png";
  if (startsWith(bytes, jpeg)) return "jpeg";
  if (startsWith(bytes, riff) && startsWith(bytes, webp, 8)) return "webp";
  if (tiffs.some((magic) => startsWith(bytes, magic))) return "tiff";
  if (startsWith(bytes, pdf)) return "pdf";
  return undefined;
}
