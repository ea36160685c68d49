/** What is installed, tested in a process of its own: a library that crashes while loading must not take the caller along. */
import { fork } from "node:child_process";
import { join } from "node:path";
import { AnonymizerError } from "../errors.ts";
import { findLibTorch, type LibTorchSearch } from "./find-libtorch.ts";
import { chooseLibTorch } from "./load.ts";
import type { NativeInfo } from "./native-types.ts";
import { packageRoot } from "./package-root.ts";

export interface Diagnosis {
  readonly search: LibTorchSearch;
  /** The addon loads and adds two numbers. */
  readonly loads: boolean;
  readonly info?: NativeInfo;
  /** Code, message and cure of what stands in the way. */
  readonly error?: { readonly code: string; readonly message: string; readonly cure: string };
}

type ProbeMessage = { info: NativeInfo } | { error: { code: string; message: string; cure: string } };

/** Searches LibTorch and test-loads the addon in a child process (time-out 60 s). Never rejects. */
export async function diagnose(): Promise<Diagnosis> {
  const search = await findLibTorch();
  try {
    await chooseLibTorch();
  } catch (error) {
    if (error instanceof AnonymizerError)
      return { search, loads: false, error: { code: error.code, message: error.message, cure: error.cure } };
    throw error;
  }
  return await new Promise((resolve) => {
    const child = fork(join(packageRoot(), "dist", "addon", "probe.js"), [], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      timeout: 60_000,
    });
    let answer: ProbeMessage | undefined;
    let stderr = "";
    child.stderr?.on("data", (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-2000);
    });
    child.on("message", (message) => {
      answer = message as ProbeMessage;
    });
    child.on("error", (error) =>
      resolve({ search, loads: false, error: { code: "ERR_LIBTORCH_LOAD", message: error.message, cure: "" } }),
    );
    child.on("close", (code, signal) => {
      if (answer && "info" in answer) resolve({ search, loads: true, info: answer.info });
      else if (answer) resolve({ search, loads: false, error: answer.error });
      else {
        const ending = signal ? `ended by ${signal}` : `ended with ${code}`;
        resolve({
          search,
          loads: false,
          error: {
            code: "ERR_LIBTORCH_LOAD",
            message: `The test process ${ending}: ${stderr.trim().split("\n").at(-1) ?? ""}`,
            cure: "Install torch again, or rebuild the addon with `npm run build:native`.",
          },
        });
      }
    });
  });
}
