/** Makes the next round of drawing out of what a proof found wanting. */

import type { Pseudonymizer } from "../replacement/pseudonyms.ts";
import type { Replacement } from "../replacement/replacement.ts";
import type { Painting } from "./painting.ts";
import { touches } from "./painting.ts";
import type { Proof } from "./proof.ts";
import { toSameValues } from "./same-value.ts";

export interface ImproveOptions {
  readonly pseudonymizer: Pseudonymizer;
  /** The text of every input page. */
  readonly pageTexts: readonly string[];
  /** Whether regions may be added. */
  readonly mayAdd: boolean;
}

/**
 * Refused regions go on to their next attempt; an original found in untouched text becomes a region of its own. Returns
 * how many regions are to be drawn now: 0 when nothing can be done any more.
 */
export function improve(painting: Painting, proof: Proof, options: ImproveOptions): number {
  for (const id of proof.refused) painting.redraw(id);
  if (options.mayAdd) painting.add(missed(painting, proof, options));
  return painting.pendingCount;
}

function missed(painting: Painting, proof: Proof, options: ImproveOptions): Replacement[] {
  const known = painting.regions.map((region) => region.replacement);
  const fakes = new Map(known.map(({ entity, fake }) => [entity.id, fake]));
  const painted = painting.painted();
  const found = toSameValues(
    proof.leaks,
    known.map(({ entity }) => entity),
    proof.readings,
  ).filter(({ entity }) => !painted.some((p) => p.page === entity.page && touches(p.box, entity.box)));
  const whole = found.filter((same) => same.whole);
  const parts = found.filter((same) => !same.whole).map((same) => same.entity);
  return [
    ...whole.map((same) => ({ entity: same.entity, fake: fakes.get(same.of.id)! })),
    ...(parts.length > 0 ? options.pseudonymizer.replace(parts, { pageTexts: options.pageTexts }) : []),
  ];
}
