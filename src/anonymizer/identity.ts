/** What tells runs apart in a report: the key (without revealing it), the configuration, the versions. */
import { createHmac } from "node:crypto";
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import { sha256Of } from "../sha256.ts";
import { packageVersion } from "../telemetry/package-version.ts";

/** 16 hex digits that are equal for equal keys. */
export const keyId = (key: string): string =>
  createHmac("sha256", key).update("anonymizer-native key id").digest("hex").slice(0, 16);

/**
 * SHA-256 of everything in the configuration that may change a result: not the key (it has its id), not where files lie,
 * not how fast the work is done and not how it is served.
 */
export function configHash(config: AnonymizerConfig): string {
  const { key: _key, key_file: _file, threads: _threads, ocr, device: _device, ...others } = config;
  const { vault: _vault, vault_key_file: _vaultKey, service: _service, ...rest } = others;
  return sha256Of(stableText({ ...rest, ocr: ocr.engine }));
}

/** JSON with the keys in order. */
function stableText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${stableText(v)}`).join(",")}}`;
}

/** Of this package and of what draws, reads and runs. */
export function versions(ocrEngine: string): Record<string, string> {
  return {
    "anonymizer-native": packageVersion,
    node: process.versions.node,
    ocr: ocrEngine,
    platform: `${process.platform}-${process.arch}`,
  };
}
