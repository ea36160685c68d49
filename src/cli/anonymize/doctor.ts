/** `anonymizer doctor`: what is installed, and how to mend what is not. */
import { checkInstallation, type InstallationFinding as Finding, installationWorks } from "../../index.ts";
import type { Terminal } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";

export interface DoctorOptions {
  readonly models?: string;
  readonly ocrModels?: string;
  readonly json?: boolean;
}

/** Resolves to 0 when the anonymizer works at least with the classical engine, else to 1. */
export async function doctor(options: DoctorOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { models, ocrModels } = options;
  const findings = await checkInstallation({
    signal,
    ...(models === undefined ? {} : { models }),
    ...(ocrModels === undefined ? {} : { ocrModels }),
  });
  const works = installationWorks(findings);
  terminal.stdout.write(options.json ? `${JSON.stringify({ works, findings }, null, 2)}\n` : asText(findings, works));
  return works ? exitCodes.fine : exitCodes.failed;
}

function asText(findings: readonly Finding[], works: boolean): string {
  const marks = { fine: "ok", missing: "--", broken: "!!" } as const;
  const lines = findings.flatMap(({ name, status, found, cure }) => {
    const line = `${marks[status]}  ${name.padEnd(9)} ${found}`;
    return cure === undefined ? [line] : [line, `${" ".repeat(14)}→ ${cure}`];
  });
  const fine = (name: string): boolean =>
    findings.some((finding) => finding.name === name && finding.status === "fine");
  const diffusion = fine("LibTorch") && fine("models");
  const verdict = !works
    ? "The anonymizer does not work here."
    : diffusion
      ? "The anonymizer works, with the diffusion and the classical engine."
      : "The anonymizer works, with the classical engine.";
  return `${[...lines, "", verdict].join("\n")}\n`;
}
