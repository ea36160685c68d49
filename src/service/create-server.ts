/** The HTTP server: made here, loaded only where one is wanted. */
import type { Anonymizer } from "../anonymizer/anonymizer.ts";
import type { SelfTest } from "../anonymizer/self-test.ts";
import type { AnonymizerConfig, AnonymizerConfigInput } from "../config/anonymizer-config.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface ServerOptions {
  /** Default: one made from the configuration, and closed with the server. */
  readonly anonymizer?: Pick<Anonymizer, "config" | "anonymize" | "detect">;
  readonly logger?: Logger;
  /** Stops the start. */
  readonly signal?: AbortSignal;
  /** Where ANONYMIZER_TOKEN is looked up. Default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface AnonymizerServer {
  readonly config: AnonymizerConfig["service"];
  /**
   * Starts to listen and resolves to the URL; documents are taken when `ready` has settled. Rejects with
   * ERR_SERVICE_LISTEN.
   */
  listen(): Promise<string>;
  /** The first self-test; rejects when the anonymizer does not work. */
  readonly ready: Promise<SelfTest>;
  /**
   * Takes no more documents, finishes those under way within `drain_seconds` while results can still be fetched, then
   * closes.
   */
  drain(): Promise<void>;
  /** Stops at once: documents under way fail. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * A server for `POST /anonymize-document` and the jobs behind it; it listens after `listen()`. What it takes and where
 * it listens stands under `service` of the configuration.
 *
 * Rejects as `Anonymizer.create` does, and with ERR_CONFIG_INVALID where other machines could call without a token.
 */
export async function createServer(
  config: AnonymizerConfigInput | string = {},
  options: ServerOptions = {},
): Promise<AnonymizerServer> {
  const { startServer } = await import("./server.ts");
  return startServer(config, options);
}
