/** When two texts count as the same value. */
import type { EntityType } from "../detection/entity.ts";
import { isTitle } from "./vocabulary.ts";

/** Lower-case letters and digits only, accents removed. */
export const plain = (text: string): string =>
  text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "");

/**
 * The value behind a text as read from a page: case, spacing, punctuation and accents do not count, nor do the titles
 * of a person ("Mr John Smith" is "JOHN  SMITH"). Never empty for a text that is not.
 */
export function normaliseValue(type: EntityType, text: string): string {
  const bare =
    type === "person"
      ? text
          .split(/\s+/u)
          .filter((word) => !isTitle(word))
          .join(" ")
      : text;
  return plain(bare) || plain(text) || text.trim();
}
