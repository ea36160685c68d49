/** What applications use: the anonymize flow, off the thread it is called from. */
import { AnonymizeFlow, type AnonymizeOptions, type CreateOptions, type DetectionPlan } from "../anonymizer.ts";
import type { AnonymizerConfig, AnonymizerConfigInput } from "../config/anonymizer-config.ts";
import type { DocumentInput } from "../documents/decode.ts";
import type { Claim } from "../replacement/owners.ts";
import type { AnonymizeResult } from "./result.ts";
import type { Rooms } from "./rooms.ts";
import { FlowThread, threadFile } from "./thread.ts";

/** What does the work: the flow itself, or a thread that runs it. */
export type Worker = Pick<
  AnonymizeFlow,
  "config" | "keyId" | "engine" | "reading" | "anonymize" | "detect" | "takeClaims" | "close"
>;

/**
 * Replaces the personal data of scanned documents. One instance serves many documents, also at the same time. The work
 * is done in a thread of its own, so that a service goes on answering; with the caller's own `parts` it is done in the
 * calling thread, in small slices.
 */
export class Anonymizer {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /**
   * Starts the OCR engine and, where a model pack is installed, the diffusion engine. Without `key`, `key_file` or
   * ANONYMIZER_KEY a random key is made: invented values then agree within this instance only.
   *
   * A `vault` is made where there is none yet.
   *
   * Rejects with ERR_CONFIG_*, ERR_VAULT_*, ERR_MODEL_*, ERR_LIBTORCH_* (engine "diffusion" only), ERR_OCR_FAILED,
   * ERR_OCR_RUNTIME (ocr.engine "ppocr" only), ERR_ABORTED.
   */
  static async create(config: AnonymizerConfigInput | string = {}, options: CreateOptions = {}): Promise<Anonymizer> {
    const file = options.parts === undefined ? threadFile() : undefined;
    return new Anonymizer(
      file === undefined ? await AnonymizeFlow.create(config, options) : await FlowThread.start(file, config, options),
    );
  }

  get config(): AnonymizerConfig {
    return this.#worker.config;
  }

  /** Tells keys apart without revealing them; null when the key was made for this instance. */
  get keyId(): string | null {
    return this.#worker.keyId;
  }

  /** Which engines read, and why. */
  get reading(): Rooms["readingChoice"] {
    return this.#worker.reading;
  }

  /** Which engine draws, and why. */
  get engine(): Rooms["choice"] {
    return this.#worker.engine;
  }

  /**
   * Anonymizes a document: a path, the encoded bytes or a stream of them.
   *
   * Resolves also when the result could not be proven; `report.proven` says so and `save` then refuses. Rejects with
   * ERR_DOCUMENT_*, ERR_OCR_*, ERR_PSEUDONYM_EXHAUSTED, ERR_ABORTED, ERR_CLOSED. Nothing is written before `save`, except
   * to the vault (ERR_VAULT_*, ERR_LOCKED, ERR_OUTPUT): what stands on a result can always be looked up there.
   */
  anonymize(input: DocumentInput, options: AnonymizeOptions = {}): Promise<AnonymizeResult> {
    return this.#worker.anonymize(input, options);
  }

  /** Dry run: what would be replaced by what. Rejects as `anonymize` does. */
  detect(input: DocumentInput, options: AnonymizeOptions = {}): Promise<DetectionPlan> {
    return this.#worker.detect(input, options);
  }

  /**
   * What the documents anonymized since the last call have claimed, as keyed hashes: for another instance's `claims`.
   * Empty without that option, or with a vault.
   */
  takeClaims(): Claim[] {
    return this.#worker.takeClaims();
  }

  /** Stops what is running (it rejects with ERR_CLOSED) and frees the engines. A second call does nothing. */
  close(): Promise<void> {
    return this.#worker.close();
  }
}
