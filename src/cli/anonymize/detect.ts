/** `anonymizer detect`: what would be replaced by what. */
import { Anonymizer, type DetectionPlan, type Entity } from "../../index.ts";
import { type Terminal, table } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { loadSettings, type SettingsOptions, withoutNewVault } from "./settings.ts";

export interface DetectOptions extends SettingsOptions {
  readonly json?: boolean;
}

export async function detect(
  file: string,
  options: DetectOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const config = await withoutNewVault(await loadSettings(options));
  const anonymizer = await Anonymizer.create(config, { signal });
  try {
    const plan = await anonymizer.detect(file, { signal });
    const show = config.report.include_originals ? (text: string): string => text : mask;
    const { stdout } = terminal;
    stdout.write(options.json ? `${JSON.stringify(planFacts(plan, show), null, 2)}\n` : planText(plan, show));
    return exitCodes.fine;
  } finally {
    await anonymizer.close();
  }
}

/** "John" → "J***"; what is shorter than three characters shows nothing. */
export function mask(text: string): string {
  const characters = [...text.trim()];
  return characters.length < 3 ? "***" : `${characters[0]}***`;
}

function planFacts(plan: DetectionPlan, show: (text: string) => string): object {
  return {
    document: plan.document,
    pages: plan.pages,
    entities: plan.replacements.map(({ entity, fake }) => ({
      id: entity.id,
      type: entity.type,
      page: entity.page,
      box: entity.box,
      original: show(entity.text),
      fake,
      score: entity.score,
      recognizer: entity.recognizer,
      reason: entity.reason,
      evidence: entity.evidence ?? {},
    })),
    unread: plan.unread,
    timings_ms: plan.timings,
  };
}

function planText(plan: DetectionPlan, show: (text: string) => string): string {
  const rows = plan.replacements.map(({ entity, fake }) => [
    String(entity.page + 1),
    entity.type,
    show(entity.text),
    fake,
    entity.score.toFixed(2),
    foundBy(entity),
  ]);
  const { words, areas, share } = plan.unread;
  const found =
    rows.length === 0
      ? "Nothing to replace was found."
      : table([["page", "type", "original", "becomes", "score", "found by"], ...rows]);
  const unread = `Not read: ${words} doubtful words, ${areas} inky areas without words, ${(share * 100).toFixed(1)} % of the ink.`;
  return `${found}\n${unread}\n`;
}

/** "person (label: cashier, in sender)" */
function foundBy({ recognizer, reason, evidence = {} }: Entity): string {
  const rests = [evidence.cue, evidence.check].filter((part) => part !== undefined).join(", ");
  const zone = evidence.zone === undefined ? "" : `; ${evidence.zone}`;
  return `${recognizer} (${reason}${rests === "" ? "" : `: ${rests}`}${zone})`;
}
