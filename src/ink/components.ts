/** Connected groups of pixels (8 neighbours). */
import type { Box } from "../documents/geometry.ts";

export interface Components {
  /** Per pixel: 0 = background, otherwise 1 … `list.length`. */
  readonly labels: Int32Array;
  readonly list: readonly Component[];
}

export interface Component {
  /** Number of pixels. */
  readonly area: number;
  /** Around the pixels; exclusive right and bottom edges. */
  readonly box: Box;
}

/** Two passes with union–find over rows. */
export function findComponents(mask: Uint8Array, width: number, height: number): Components {
  const labels = new Int32Array(mask.length);
  const parent: number[] = [0];
  const root = (label: number): number => {
    let at = label;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (!mask[i]) continue;
      let label = 0;
      const join = (other: number): void => {
        if (other === 0) return;
        const top = root(other);
        if (label === 0) label = top;
        else if (label !== top) {
          const [low, high] = label < top ? [label, top] : [top, label];
          parent[high] = low;
          label = low;
        }
      };
      if (x > 0) join(labels[i - 1]!);
      if (y > 0) {
        if (x > 0) join(labels[i - width - 1]!);
        join(labels[i - width]!);
        if (x + 1 < width) join(labels[i - width + 1]!);
      }
      if (label === 0) {
        label = parent.length;
        parent.push(label);
      }
      labels[i] = label;
    }
  }
  const numbers = new Map<number, number>();
  const boxes: [number, number, number, number][] = [];
  const areas: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (labels[i] === 0) continue;
      const top = root(labels[i]!);
      let number = numbers.get(top);
      if (number === undefined) {
        number = boxes.push([x, y, x + 1, y + 1]);
        areas.push(0);
        numbers.set(top, number);
      }
      labels[i] = number;
      const box = boxes[number - 1]!;
      areas[number - 1]!++;
      if (x < box[0]) box[0] = x;
      if (x + 1 > box[2]) box[2] = x + 1;
      if (y + 1 > box[3]) box[3] = y + 1;
    }
  }
  return { labels, list: boxes.map((box, i) => ({ box, area: areas[i]! })) };
}

/** Labels of the ink that belongs to the text: at least half of it lies in the box. Rules and neighbours do not. */
export function ownComponents(labels: Int32Array, areas: readonly number[], box: Box, width: number): Set<number> {
  const inside = new Map<number, number>();
  for (let y = Math.max(0, box[1]); y < Math.min(box[3], labels.length / width); y++) {
    for (let x = Math.max(0, box[0]); x < Math.min(box[2], width); x++) {
      const label = labels[y * width + x]!;
      if (label > 0) inside.set(label, (inside.get(label) ?? 0) + 1);
    }
  }
  const own = new Set<number>();
  for (const [label, count] of inside) if (count * 2 >= areas[label - 1]!) own.add(label);
  return own;
}
