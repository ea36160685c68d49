import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const here = fileURLToPath(new URL(".", import.meta.url));
const python = fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));
const ready = existsSync(python);
if (!ready) console.warn("skipped: export of models needs .venv with scripts/requirements.txt installed");

describe.skipIf(!ready)("export of models to TorchScript", () => {
  it("passes every case of export_models_cases.py", { timeout: 600_000 }, async () => {
    const run = promisify(execFile)(python, ["-m", "unittest", "-v", "export_models_cases"], {
      cwd: here,
      maxBuffer: 1 << 24,
    });
    const { stderr } = await run.catch((error: { stderr: string }) => ({ stderr: error.stderr }));
    expect(stderr.trimEnd().split("\n").at(-1), stderr).toBe("OK");
  });
});
