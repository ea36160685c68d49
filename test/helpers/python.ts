/** Runs a program of test/parity/reference with the project's Python environment. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { HostTensor } from "../../src/addon/native-types.ts";
import { readTensors, writeTensors } from "./safetensors.ts";
import { root } from "./tiny.ts";

const python = join(root, ".venv", "bin", "python");

export async function runPython(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(python, args, { cwd: root, maxBuffer: 1 << 26, timeout: 300_000 });
  return stdout;
}

/** Values and tensors that the reference program gives for these options and tensors. */
export async function runReference(
  program: string,
  options: Readonly<Record<string, unknown>>,
  tensors: Readonly<Record<string, HostTensor>> = {},
  // biome-ignore lint/suspicious/noExplicitAny: each program has its own output
): Promise<{ values: any; tensors: Record<string, HostTensor> }> {
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-parity-"));
  try {
    writeFileSync(join(folder, "input.json"), JSON.stringify(options));
    if (Object.keys(tensors).length > 0) writeTensors(join(folder, "input.safetensors"), tensors);
    await runPython([join(root, "test", "parity", "reference", `${program}.py`), folder, join(folder, "out")]);
    const results = join(folder, "out", "output.safetensors");
    return {
      values: JSON.parse(readFileSync(join(folder, "out", "output.json"), "utf8")),
      tensors: existsSync(results) ? readTensors(results) : {},
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
