/** `anonymizer detect`: what would be replaced by what. */
import { Anonymizer, type AnonymizerConfig, type DetectionPlan, type Entity } from "../../index.ts";
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
    stdout.write(
      options.json
        ? `${JSON.stringify(planFacts(plan, config.images, show), null, 2)}\n`
        : planText(plan, config.images, show),
    );
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

type Images = AnonymizerConfig["images"];

const settingOf = { code: "codes", signature: "signatures", portrait: "portraits" } as const;

function planFacts(plan: DetectionPlan, images: Images, show: (text: string) => string): object {
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
    image_regions: plan.imageRegions.map(({ id, type, page, box, score, recognizer, reason, evidence = {}, code }) => ({
      id,
      type,
      page,
      box,
      ...(code && { original: show(code.text) }),
      covered_by: images[settingOf[type]],
      score,
      recognizer,
      reason,
      evidence,
    })),
    unread: plan.unread,
    timings_ms: plan.timings,
  };
}

function planText(plan: DetectionPlan, images: Images, show: (text: string) => string): string {
  const rows = plan.replacements.map(({ entity, fake }) => [
    String(entity.page + 1),
    entity.type,
    show(entity.text),
    fake,
    entity.score.toFixed(2),
    foundBy(entity),
  ]);
  const covered = plan.imageRegions.map((region) => [
    String(region.page + 1),
    region.type,
    region.code ? show(region.code.text) : "",
    images[settingOf[region.type]],
    region.score.toFixed(2),
    foundBy(region),
  ]);
  const { words, areas, share } = plan.unread;
  const found =
    rows.length + covered.length === 0
      ? "Nothing to replace was found."
      : table([["page", "type", "original", "becomes", "score", "found by"], ...rows, ...covered]);
  const unread = `Not read: ${words} doubtful words, ${areas} inky areas without words, ${(share * 100).toFixed(1)} % of the ink.`;
  return `${found}\n${unread}\n`;
}

/** "person (label: cashier, in sender)" */
function foundBy({ recognizer, reason, evidence = {} }: Pick<Entity, "recognizer" | "reason" | "evidence">): string {
  const rests = [evidence.cue, evidence.check].filter((part) => part !== undefined).join(", ");
  const zone = evidence.zone === undefined ? "" : `; ${evidence.zone}`;
  return `${recognizer} (${reason}${rests === "" ? "" : `: ${rests}`}${zone})`;
}
