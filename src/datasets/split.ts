/** Which split a document belongs to: decided by a hash of its id, so it never moves when documents are added. */
import { codedError } from "../errors.ts";
import { hashParts } from "../random/hash.ts";
import { type Split, splits } from "./manifest-types.ts";

/** Shares of the documents; they must add up to 1. */
export type SplitShares = Readonly<Record<Split, number>>;

export const defaultShares: SplitShares = { train: 0.8, validation: 0.1, test: 0.1 };

/** The split of the document `id`. `choice` is one split for all, or shares by hash of the id. */
export function splitOf(id: string, choice: Split | SplitShares = defaultShares): Split {
  if (typeof choice === "string") return choice;
  let at = hashParts("split", id).readUInt32LE(0) / 0x1_0000_0000;
  for (const split of splits) {
    at -= choice[split];
    if (at < 0) return split;
  }
  return "train";
}

/** Throws ERR_INVALID_ARGUMENT unless `choice` is a split or shares that add up to 1. */
export function checkSplitChoice(choice: Split | SplitShares): void {
  if (typeof choice === "string") {
    if (splits.includes(choice)) return;
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `split is ${JSON.stringify(choice)}; it must be one of ${splits.join(", ")}`,
    );
  }
  const shares = splits.map((split) => choice[split]);
  const sum = shares.reduce((a, b) => a + b, 0);
  if (!shares.every((share) => share >= 0 && share <= 1) || Math.abs(sum - 1) > 1e-9) {
    throw codedError("ERR_INVALID_ARGUMENT", `Split shares ${shares.join(" / ")} must be 0…1 and add up to 1`);
  }
}
