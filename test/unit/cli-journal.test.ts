import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal } from "../../src/cli/anonymize/journal.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import type { Anonymizer, Claim } from "../../src/index.ts";
import { sampleReport } from "../helpers/sample-report.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "journal-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the journal of a run", () => {
  it("passes over lines that were damaged, and keeps the claims of the others", async () => {
    const config = await loadConfig({}, "anonymizer");
    const engine = { requested: "auto", chosen: "classical", reason: "" } as const;
    const claims: Claim[] = [["fake", "owner"]];
    const anonymizer = { config, keyId: null, engine, takeClaims: () => claims } as unknown as Anonymizer;
    const journal = await Journal.open(folder);
    await journal.note("a.png", sampleReport(10, 10), anonymizer);
    await journal.close();
    const path = join(folder, ".anonymizer-run.jsonl");
    const line = (await readFile(path, "utf8")).trim();
    const damaged = [
      { claims: [1] },
      { claims: [["fake"]] },
      { claims: "no" },
      { output: 5 },
      { unproven_because: null },
      { entities: { person: "many" } },
    ].map((change) => JSON.stringify({ ...JSON.parse(line), ...change }));
    await writeFile(path, [...damaged, "null", "[]", line.slice(0, 40), line].join("\n"));
    const again = await Journal.open(folder);
    expect(again.claims).toEqual(claims);
    await again.close();
  });
});
