/** The report beside a result. */
import { dirname } from "node:path";
import { type Report, reportText, writeFileAtomic } from "../../index.ts";
import { makeFolder } from "./folders.ts";

/** Writes a report, whole, and makes its folder. One that holds originals is readable by its owner only. */
export async function writeReport(path: string, report: Report): Promise<void> {
  await makeFolder(dirname(path));
  const secret = report.entities.some(({ original }) => original !== undefined);
  await writeFileAtomic(path, reportText(report), secret ? { mode: 0o600 } : {});
}
