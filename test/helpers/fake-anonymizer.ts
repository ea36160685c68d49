/** An anonymizer whose documents say what becomes of them: "proven", "unproven", "hang", or an error code. */
import { AnonymizeResult } from "../../src/anonymizer/result.ts";
import type { AnonymizeOptions } from "../../src/anonymizer.ts";
import type { AnonymizerConfig } from "../../src/config/anonymizer-config.ts";
import { codedError, type ErrorCode, isErrorCode } from "../../src/errors.ts";
import { sampleReport } from "./sample-report.ts";

export interface FakeAnonymizer {
  readonly config: AnonymizerConfig;
  anonymize(input: unknown, options?: AnonymizeOptions): Promise<AnonymizeResult>;
  detect(): Promise<never>;
  /** Documents under way, and how each one ended. */
  readonly running: Set<string>;
  readonly ended: string[];
  /** Most at the same time. */
  most: number;
  /** Lets all that hang finish. */
  release(): void;
  /** What the self-test does; default: it passes. */
  test: () => Promise<void>;
}

export const provenData = Buffer.from("the anonymized document");

export function fakeAnonymizer(config: AnonymizerConfig): FakeAnonymizer {
  const hanging = new Set<() => void>();
  const result = (proven: boolean): AnonymizeResult => {
    const report = { ...sampleReport(800, 600), proven, ...(proven && { unproven_because: [] }) };
    return new AnonymizeResult([], provenData, "png", report, { quality: 95 });
  };
  const fake: FakeAnonymizer = {
    config,
    running: new Set(),
    ended: [],
    most: 0,
    test: async () => undefined,
    release() {
      for (const resume of hanging) resume();
      hanging.clear();
    },
    detect: () => Promise.reject(new Error("not used")),
    async anonymize(input, { signal, onProgress } = {}) {
      const bytes = Buffer.from(input as Uint8Array);
      if (bytes.subarray(1, 4).toString() === "PNG") {
        await fake.test();
        return result(true);
      }
      const word = bytes.toString().trim();
      const [kind] = word.split(" ");
      fake.running.add(word);
      fake.most = Math.max(fake.most, fake.running.size);
      try {
        onProgress?.({ stage: "read", done: 1, total: 2 });
        if (kind === "hang")
          await new Promise<void>((resolve, reject) => {
            hanging.add(resolve);
            signal?.addEventListener("abort", () => reject(codedError("ERR_ABORTED", "stopped")), { once: true });
          });
        else await new Promise((resolve) => setTimeout(resolve, 5));
        if (isErrorCode(kind)) throw codedError(kind as ErrorCode, "secret: /home/somebody/scan.png says Magda");
        if (kind === "throw") throw new TypeError("secret: Magda has no property of undefined");
        fake.ended.push(`${word}: done`);
        return result(kind !== "unproven");
      } catch (error) {
        fake.ended.push(`${word}: ${(error as { code?: string }).code ?? "thrown"}`);
        throw error;
      } finally {
        fake.running.delete(word);
      }
    },
  };
  return fake;
}
