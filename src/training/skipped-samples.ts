/** Counts and names samples that could not be used. */
import type { SkippedSample } from "../datasets/dataset.ts";
import type { SkippedSummary } from "./events.ts";

/** Samples that are told apart; a run with more broken samples than that only knows that there are as many. */
const kept = 10_000;
/** Samples that a summary names, and a message. */
const listed = 100;
const inMessage = 3;
const reasonsInMessage = 5;

export class SkippedSamples {
  readonly #atOpening: readonly SkippedSample[];
  readonly #countsAtOpening: Readonly<Record<string, number>>;
  readonly #inTraining = new Map<string, SkippedSample>();

  /** What was left out when the data was opened: counts, and names as far as they are known. */
  constructor(counts: Readonly<Record<string, number>>, samples: readonly SkippedSample[] = []) {
    this.#countsAtOpening = counts;
    this.#atOpening = samples;
  }

  /** Notes samples found unusable in training; each counts once. Returns how many were new. */
  add(samples: readonly SkippedSample[]): number {
    const before = this.#inTraining.size;
    for (const sample of samples) {
      const key = `${sample.id}#${sample.region ?? ""}`;
      if (this.#inTraining.size < kept && !this.#inTraining.has(key)) this.#inTraining.set(key, sample);
    }
    return this.#inTraining.size - before;
  }

  /** Found in training so far, in the order they came up: what a checkpoint keeps. */
  get inTraining(): readonly SkippedSample[] {
    return [...this.#inTraining.values()];
  }

  summary(): SkippedSummary {
    const reasons: Record<string, number> = { ...this.#countsAtOpening };
    for (const { reason } of this.#inTraining.values()) reasons[reason] = (reasons[reason] ?? 0) + 1;
    const count = Object.values(reasons).reduce((a, b) => a + b, 0);
    return { count, reasons, samples: [...this.#atOpening.slice(0, listed), ...this.inTraining].slice(0, listed) };
  }
}

/** "3 × reason; …: page-1 #4, page-2 and 7 more" */
export function describeSkipped({ count, reasons, samples }: SkippedSummary): string {
  const sorted = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  const list = sorted.slice(0, reasonsInMessage).map(([reason, n]) => `${n} × ${reason}`);
  const more = sorted.slice(reasonsInMessage).reduce((sum, [, n]) => sum + n, 0);
  if (more > 0) list.push(`${more} × other reasons`);
  const names = samples
    .slice(0, inMessage)
    .map(({ id, region }) => (region === undefined ? id : `${id} region ${region}`));
  const unnamed = count - names.length;
  if (names.length > 0 && unnamed > 0) names.push(`${unnamed} more`);
  return `${list.join("; ")}${names.length === 0 ? "" : ` (${names.join(", ")})`}`;
}
