/** How much of the labelled personal data was found, and how much else. Pure. */
import type { EntityType } from "../detection/entity.ts";
import { type Box, boxArea, boxHeight, boxWidth, intersectBoxes, uniteBoxes } from "../documents/geometry.ts";
import { leakSimilarity } from "../text/similarity.ts";
import { readingSimilarity, windowSimilarity } from "../verification/reading-similarity.ts";

/** A labelled line of a page. */
export interface TrueRegion {
  readonly box: Box;
  readonly text: string;
  /** Undefined for a line without personal data, or without a label. */
  readonly type: EntityType | undefined;
}

/** What was replaced. */
export interface FoundEntity {
  readonly box: Box;
  readonly text: string;
  readonly type: EntityType;
}

export interface Counts {
  /** Labelled regions. */
  labelled: number;
  /** Of these, found as this type. */
  hit: number;
  /** Of these, at least half covered by findings of whatever type, or found. */
  covered: number;
  /** Findings. */
  found: number;
  /** Of these, findings that belong to a found region. */
  right: number;
}

export interface PageScore {
  readonly types: Map<EntityType, Counts>;
  /** Labelled regions whose value is personal data, in order; true where at least half is covered or it is found. */
  readonly covered: readonly boolean[];
  /** Regions without a label as personal data, and those that no finding touches besides those of labelled parts. */
  readonly others: number;
  readonly untouched: number;
}

const noCounts = (): Counts => ({ labelled: 0, hit: 0, covered: 0, found: 0, right: 0 });

/** Intersection over union, 0…1. */
export function iou(a: Box, b: Box): number {
  const common = boxArea(intersectBoxes(a, b));
  return common === 0 ? 0 : common / (boxArea(a) + boxArea(b) - common);
}

/** The common area as a share of the smaller box. */
const overlap = (a: Box, b: Box): number =>
  boxArea(intersectBoxes(a, b)) / Math.max(1e-9, Math.min(boxArea(a), boxArea(b)));

/**
 * Compares one page. Findings of a type are first given to the labelled region of that type with which they share at
 * least half of the smaller box (the best one). A region counts as found when its findings together have an IoU of at
 * least ½ with it, or their text is at least 80 % similar to the region's or to a part of it (labelled lines often hold
 * more than the value: "Date: 01/02/2019"). Findings of a region that is found are right.
 */
export function scorePage(truth: readonly TrueRegion[], found: readonly FoundEntity[]): PageScore {
  const types = new Map<EntityType, Counts>();
  const countsOf = (type: EntityType): Counts => {
    const counts = types.get(type) ?? noCounts();
    types.set(type, counts);
    return counts;
  };
  const groups = new Map<TrueRegion, FoundEntity[]>();
  for (const entity of found) {
    countsOf(entity.type).found++;
    let best: TrueRegion | undefined;
    let most = 0.5;
    for (const region of truth) {
      const share = region.type === entity.type ? overlap(region.box, entity.box) : 0;
      if (share >= most) [best, most] = [region, share];
    }
    if (best) groups.set(best, [...(groups.get(best) ?? []), entity]);
  }
  const covered: boolean[] = [];
  let others = 0;
  let untouched = 0;
  for (const region of truth) {
    if (region.type === undefined) {
      others++;
      // A whole line may be listed beside the values in it; findings of these say nothing about the rest of the line.
      const values = truth.filter((part) => part.type !== undefined && isWithin(part.box, region.box));
      if (!found.some(({ box }) => touches(box, region.box) && coveredWidth(values, box) < 0.7)) untouched++;
      continue;
    }
    const counts = countsOf(region.type);
    counts.labelled++;
    const group = groups.get(region) ?? [];
    const hit = group.length > 0 && isFound(region, group);
    if (hit) {
      counts.hit++;
      counts.right += group.length;
    }
    const high = ({ box }: FoundEntity): boolean =>
      boxHeight(intersectBoxes(box, region.box)) > 0.4 * boxHeight(region.box);
    const isCovered = hit || coveredWidth(found.filter(high), region.box) >= 0.5;
    if (isCovered) counts.covered++;
    covered.push(isCovered);
  }
  return { types, covered, others, untouched };
}

const isWithin = (part: Box, line: Box): boolean =>
  boxArea(intersectBoxes(part, line)) >= 0.8 * boxArea(part) && boxArea(part) < boxArea(line);

function isFound(region: TrueRegion, group: readonly FoundEntity[]): boolean {
  if (iou(region.box, uniteBoxes(group.map(({ box }) => box))) >= 0.5) return true;
  const text = [...group]
    .sort((a, b) => a.box[0] - b.box[0])
    .map((entity) => entity.text)
    .join(" ");
  if (readingSimilarity(text, region.text) >= leakSimilarity) return true;
  return text.trim().length >= 4 && windowSimilarity(text, region.text) >= leakSimilarity;
}

/** More than a grazing touch: an engine's boxes differ by some pixels from those of a label. */
export function touches(box: Box, line: Box): boolean {
  const [x0, y0, x1, y1] = intersectBoxes(box, line);
  const height = Math.min(boxHeight(box), boxHeight(line));
  return y1 - y0 > 0.5 * height && x1 - x0 > Math.min(0.3 * height, 0.2 * boxWidth(box));
}

/** The share of a line's width that findings cover, whatever their height. */
export function coveredWidth(found: readonly { readonly box: Box }[], line: Box): number {
  const parts = found.map(({ box }) => intersectBoxes(box, line)).sort((a, b) => a[0] - b[0]);
  let sum = 0;
  let end = line[0];
  for (const [x0, , x1] of parts) {
    sum += Math.max(0, x1 - Math.max(x0, end));
    end = Math.max(end, x1);
  }
  return sum / boxWidth(line);
}

export interface TypeScore {
  readonly labelled: number;
  readonly found: number;
  /** Right findings ÷ findings; null without findings. */
  readonly precision: number | null;
  /** Found regions ÷ labelled regions; null without labelled regions. */
  readonly recall: number | null;
  /** Harmonic mean of the two; null where one is. */
  readonly f1: number | null;
  /** Regions that are hidden, as whatever type, ÷ labelled regions. */
  readonly covered: number | null;
}

export function addCounts(sum: Map<EntityType, Counts>, page: ReadonlyMap<EntityType, Counts>): void {
  for (const [type, counts] of page) {
    const total = sum.get(type) ?? noCounts();
    for (const key of Object.keys(counts) as (keyof Counts)[]) total[key] += counts[key];
    sum.set(type, total);
  }
}

export function typeScore(counts: Counts): TypeScore {
  const share = (part: number, whole: number): number | null => (whole === 0 ? null : round(part / whole));
  const precision = share(counts.right, counts.found);
  const recall = share(counts.hit, counts.labelled);
  const f1 =
    precision === null || recall === null
      ? null
      : precision + recall === 0
        ? 0
        : round((2 * precision * recall) / (precision + recall));
  return {
    labelled: counts.labelled,
    found: counts.found,
    precision,
    recall,
    f1,
    covered: share(counts.covered, counts.labelled),
  };
}

/** The types that are labelled at all, together: findings of other types can't be judged. */
export function overallScore(types: ReadonlyMap<EntityType, Counts>): TypeScore {
  const sum = noCounts();
  for (const counts of types.values()) {
    if (counts.labelled === 0) continue;
    for (const key of Object.keys(counts) as (keyof Counts)[]) sum[key] += counts[key];
  }
  return typeScore(sum);
}

export const round = (value: number): number => Math.round(value * 1e4) / 1e4;
