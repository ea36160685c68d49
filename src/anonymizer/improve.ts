/** Makes the next round of drawing out of what a proof found wanting. */
import type { Entity } from "../detection/entity.ts";
import type { Pseudonymizer } from "../replacement/pseudonyms.ts";
import type { Replacement } from "../replacement/replacement.ts";
import { coveredShare } from "../verification/painted.ts";
import { type Painting, touches } from "./painting.ts";
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
 * Refused regions go on to their next attempt. What only the second reading showed, outside all painted boxes and so on
 * the input too, becomes a region of its own: an original that still stands somewhere, or personal data that the first
 * reading missed. Returns how many regions are to be drawn now: 0 when nothing can be done any more.
 */
export function improve(painting: Painting, proof: Proof, options: ImproveOptions): number {
  for (const id of proof.refused) painting.redraw(id);
  if (options.mayAdd) {
    painting.add(stillStanding(painting, proof, options));
    painting.add(foundLate(painting, proof, options));
  }
  return painting.pendingCount;
}

/** Originals in untouched text. */
function stillStanding(painting: Painting, proof: Proof, options: ImproveOptions): Replacement[] {
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
    ...inventFor(parts, painting, options),
  ];
}

/** Findings on the result that are no invented values. */
function foundLate(painting: Painting, proof: Proof, options: ImproveOptions): Replacement[] {
  const taken = painting.regions.map((region) => region.replacement.entity);
  const ids = new Set(taken.map((entity) => entity.id));
  const entities: Entity[] = [];
  for (const entity of proof.redetection.unknown) {
    const clashes = [...taken, ...entities].some(
      (other) =>
        other.page === entity.page &&
        (coveredShare(entity.box, other.box) > 0.2 || coveredShare(other.box, entity.box) > 0.2),
    );
    if (clashes) continue;
    let n = 0;
    while (ids.has(`p${entity.page}-l${n}`)) n++;
    const id = `p${entity.page}-l${n}`;
    ids.add(id);
    entities.push({ ...entity, id, reason: `${entity.reason}, second reading` });
  }
  return inventFor(entities, painting, options);
}

/** Values that the document has already keep their invented ones; new values get new ones. */
function inventFor(entities: readonly Entity[], painting: Painting, options: ImproveOptions): Replacement[] {
  if (entities.length === 0) return [];
  const { pseudonymizer, pageTexts } = options;
  const known = painting.regions.map((region) => region.replacement.entity);
  const all = pseudonymizer.replace([...known, ...entities], { pageTexts });
  const ids = new Set(entities.map((entity) => entity.id));
  return all.filter(({ entity }) => ids.has(entity.id));
}
