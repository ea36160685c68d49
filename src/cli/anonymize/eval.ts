/** `anonymizer eval`: the anonymizer measured against labelled documents. */
import { createProgress, type Evaluation, evaluate, formatDuration, type TypeScore } from "../../index.ts";
import { type Terminal, table } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { loadSettings, type SettingsOptions } from "./settings.ts";

export interface EvalOptions extends SettingsOptions {
  readonly split?: "train" | "validation" | "test";
  readonly limit?: number;
  readonly offset?: number;
  readonly journal?: string;
  readonly json?: boolean;
}

/** Resolves to 0 when every document could be worked on (whatever the scores), else to 4. */
export async function evaluateManifest(
  manifest: string,
  options: EvalOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const started = performance.now();
  const config = await loadSettings(options);
  let progress: ReturnType<typeof createProgress> | undefined;
  let result: Evaluation;
  try {
    result = await evaluate(manifest, {
      config,
      signal,
      ...(options.split === undefined ? {} : { split: options.split }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.offset === undefined ? {} : { offset: options.offset }),
      ...(options.journal === undefined ? {} : { journal: options.journal }),
      ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
      onProgress: (done, total, id) => {
        progress ??= createProgress({ label: "eval", total, stream: terminal.stderr });
        progress.update(done, id, ((performance.now() - started) / 1000 / done) * (total - done));
      },
    });
  } finally {
    progress?.end();
  }
  terminal.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : asText(result));
  return result.documents.failed > 0 ? exitCodes.documentsFailed : exitCodes.fine;
}

const percent = (share: number | null): string => (share === null ? "–" : `${(share * 100).toFixed(1)} %`);
const ratio = (value: number | null): string => (value === null ? "–" : value.toFixed(3));

function asText(result: Evaluation): string {
  const { documents, problems, overall, types, others, engines, outside, solid, seconds } = result;
  const row = (name: string, score: TypeScore): string[] => [
    name,
    String(score.labelled),
    String(score.found),
    ...[score.precision, score.recall, score.f1, score.covered].map(ratio),
  ];
  const labelled = Object.entries(types).filter(([, score]) => score.labelled > 0);
  const unlabelled = Object.entries(types).filter(([, score]) => score.labelled === 0);
  const lines = [
    `${documents.total} documents: ${documents.proven} proven, ${documents.unproven} not proven, ${documents.failed} failed; ${formatDuration(seconds)}`,
    "",
    table([
      ["found", "labelled", "found", "precision", "recall", "F1", "covered"],
      ...labelled.map(([type, score]) => row(type, score)),
      row("all", overall),
    ]),
  ];
  if (unlabelled.length > 0) {
    lines.push(`Without labels: ${unlabelled.map(([type, { found }]) => `${found} ${type}`).join(", ")}`);
  }
  lines.push(`Lines not labelled as personal data, left alone: ${percent(others.untouched)} of ${others.lines}`, "");
  lines.push(
    table([
      ["results read by", "labelled", "readable", "replaced", "readable", "drawn", "similarity", "exact"],
      ...Object.entries(engines).map(([name, score]) => [
        name,
        String(score.searched),
        String(score.readable),
        String(score.replaced),
        String(score.replaced_readable),
        String(score.drawn),
        ratio(score.reread_similarity),
        ratio(score.reread_exact),
      ]),
    ]),
  );
  for (const [name, { documents: ids, readable_by_type }] of Object.entries(engines)) {
    if (ids.length === 0) continue;
    const counts = Object.entries(readable_by_type).map(([type, n]) => `${n} ${type}`);
    lines.push(`Readable by ${name}: ${[...counts, `in ${ids.join(", ")}`].join(", ")}`);
  }
  lines.push(
    "",
    `Outside the replaced places: ${outside.changed_pixels} of ${outside.pixels} pixels changed; encoded ${outside.encoded_changed_values} of ${outside.encoded_values} values, PSNR ${outside.psnr === null ? "∞" : `${outside.psnr} dB`}, SSIM ${outside.ssim === null ? "–" : outside.ssim.toFixed(4)}`,
    `Solid boxes: ${solid}`,
    ...problems.map(({ id, because }) => `${id}: ${because.join(", ")}`),
  );
  return `${lines.join("\n")}\n`;
}
