import { expect } from "vitest";
import type { Box } from "../../../src/documents/geometry.ts";
import type { Patch } from "../../../src/inpainting/patch.ts";

export const holds = (outer: Box, inner: Box): boolean =>
  outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];

/** A patch of a page of this size lies on it, and its boxes in one another. */
export function checkShape({ pageBox, maskBox, textBox, image }: Patch, width: number, height: number): void {
  expect([...pageBox, ...maskBox, ...textBox].every(Number.isInteger)).toBe(true);
  expect(holds([0, 0, width, height], pageBox)).toBe(true);
  expect([image.width, image.height]).toEqual([pageBox[2] - pageBox[0], pageBox[3] - pageBox[1]]);
  expect(image.data).toHaveLength(image.width * image.height * 3);
  expect(holds([0, 0, image.width, image.height], maskBox)).toBe(true);
  expect(holds(maskBox, textBox)).toBe(true);
  expect(maskBox[0]).toBeLessThan(maskBox[2]);
  expect(maskBox[1]).toBeLessThan(maskBox[3]);
}
