/** The quality a JPEG was saved with, so that the result is neither coarser nor larger than its original. */

/** Luminance table at quality 50 (ITU-T T.81, table K.1), in the zigzag order of the file. */
const luminance = [
  16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61,
  60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121,
  112, 100, 120, 92, 101, 103, 99,
];

/**
 * 1…100 on the scale of the Independent JPEG Group's library: the quality whose table is nearest to the file's first
 * quantisation table. undefined where there is none before the picture's data.
 */
export function jpegQuality(file: Uint8Array): number | undefined {
  const table = firstTable(file);
  if (table === undefined) return undefined;
  let best = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let quality = 1; quality <= 100; quality++) {
    const scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    let difference = 0;
    for (const [i, base] of luminance.entries()) {
      const entry = Math.min(255, Math.max(1, Math.floor((base * scale + 50) / 100)));
      difference += Math.abs(entry - table[i]!);
    }
    // Of equal ones the higher.
    if (difference <= least) {
      least = difference;
      best = quality;
    }
  }
  return best;
}

/** 64 entries of table 0, or of whichever comes first. */
function firstTable(file: Uint8Array): number[] | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let found: number[] | undefined;
  for (let at = 2; at + 4 <= file.length && file[at] === 0xff; ) {
    const marker = file[at + 1]!;
    if (marker === 0xff) {
      at++; // a fill byte
      continue;
    }
    if (marker === 0xda || marker === 0xd9) break;
    const end = at + 2 + view.getUint16(at + 2);
    if (marker === 0xdb) {
      for (let from = at + 4; from < Math.min(end, file.length); ) {
        const wide = file[from]! >> 4 === 1;
        const id = file[from]! & 15;
        const size = wide ? 128 : 64;
        if (from + 1 + size > file.length) return found;
        const entries = Array.from({ length: 64 }, (_, i) =>
          wide ? view.getUint16(from + 1 + i * 2) : file[from + 1 + i]!,
        );
        if (id === 0) return entries;
        found ??= entries;
        from += 1 + size;
      }
    }
    at = end;
  }
  return found;
}
