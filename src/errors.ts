/**
 * Every error this package throws: its code, what it means and how to mend it.
 *
 * Callers branch on `error.code`, people read `error.message` (what happened, where) and `error.cure` (what to do).
 * Messages never contain text read from a document.
 */

type Definition = { family: Family; meaning: string; cure: string };

type Family =
  | "libtorch"
  | "native"
  | "config"
  | "document"
  | "dataset"
  | "model"
  | "training"
  | "detection"
  | "verification"
  | "resource"
  | "vault"
  | "io"
  | "store"
  | "service"
  | "launch"
  | "abort"
  | "usage";

const definitions = {
  ERR_LIBTORCH_NOT_FOUND: {
    family: "libtorch",
    meaning: "No LibTorch was found in any of the places searched.",
    cure: "Install it with `python3 -m venv .venv && .venv/bin/pip install torch==2.13.0`, or set LIBTORCH to a LibTorch folder.",
  },
  ERR_LIBTORCH_VERSION: {
    family: "libtorch",
    meaning: "The LibTorch found has a version this build was not made for.",
    cure: "Install a supported torch (`pip install torch==2.13.0`), or rebuild the addon with `npm run build:native`.",
  },
  ERR_LIBTORCH_LOAD: {
    family: "libtorch",
    meaning: "LibTorch or the addon was found but could not be loaded.",
    cure: "Run `npx anonymizer doctor` to see the loader's message; reinstall torch if files are missing.",
  },
  ERR_ADDON_NOT_BUILT: {
    family: "libtorch",
    meaning: "There is no native binary for this platform and LibTorch version.",
    cure: "Build it with `npm run build:native` (needs cmake and g++ 11 or newer).",
  },
  ERR_NATIVE: {
    family: "native",
    meaning: "LibTorch reported an error during a computation.",
    cure: "The message says which operation; check shapes and dtypes of the inputs. Please report it if the input was valid.",
  },
  ERR_CLOSED: {
    family: "usage",
    meaning: "The object was used after it was closed.",
    cure: "Create a new one; an object can't be reopened.",
  },
  ERR_INVALID_ARGUMENT: {
    family: "usage",
    meaning: "An argument has the wrong type, shape or range.",
    cure: "Pass what the message asks for.",
  },
  ERR_OUT_OF_MEMORY: {
    family: "resource",
    meaning: "Memory ran out on the device.",
    cure: "Use a smaller batch (and more accumulation), a smaller resolution, or another device.",
  },
  ERR_THREAD: {
    family: "resource",
    meaning: "The thread that did the work ended; the process goes on.",
    cure: "Try again: a new thread is started. If it happens again, lower `limits.max_pixels`, or give Node more memory.",
  },
  ERR_DEVICE: {
    family: "resource",
    meaning: "The requested device does not exist or is not usable.",
    cure: "Use `device: auto`, or run `npx anonymizer doctor` to see which devices there are.",
  },
  ERR_CONFIG_SYNTAX: {
    family: "config",
    meaning: "The configuration file is not valid YAML.",
    cure: "Mend the line named in the message.",
  },
  ERR_CONFIG_INVALID: {
    family: "config",
    meaning: "The configuration has an unknown key or an impossible value.",
    cure: "Mend the keys named in the message.",
  },
  ERR_CONFIG_NOT_FOUND: {
    family: "config",
    meaning: "The configuration file does not exist or can't be read.",
    cure: "Check the path.",
  },
  ERR_DOCUMENT_NOT_FOUND: {
    family: "document",
    meaning: "The input file does not exist or can't be read.",
    cure: "Check the path and its permissions.",
  },
  ERR_DOCUMENT_FORMAT: {
    family: "document",
    meaning: "The content is not of a supported image format.",
    cure: "Give a PNG, JPEG, WebP, TIFF or PDF file. The content decides, not the file name.",
  },
  ERR_DOCUMENT_DAMAGED: {
    family: "document",
    meaning: "The file is truncated or damaged.",
    cure: "Scan or export the document again.",
  },
  ERR_DOCUMENT_LIMIT: {
    family: "document",
    meaning: "The document is larger than a limit allows (bytes, pixels, pages).",
    cure: "Raise the limit named in the message if the document is trusted, or scan at a lower resolution.",
  },
  ERR_DOCUMENT_EMPTY: {
    family: "document",
    meaning: "There is nothing to work on.",
    cure: "Give a folder or pattern that holds at least one supported document.",
  },
  ERR_GEOMETRY: {
    family: "document",
    meaning: "A box lies outside its page or has no area.",
    cure: "Give boxes in pixels as [x0, y0, x1, y1] with x0 < x1 and y0 < y1, inside the page.",
  },
  ERR_DATASET_NOT_FOUND: {
    family: "dataset",
    meaning: "The manifest or a file it names does not exist.",
    cure: "Check the path; make synthetic data with `npx anonymizer-train data synth --out data/`.",
  },
  ERR_DATASET_INVALID: {
    family: "dataset",
    meaning: "A line of the manifest is not valid.",
    cure: "Mend the line named in the message.",
  },
  ERR_DATASET_EMPTY: {
    family: "dataset",
    meaning: "No usable sample is left after checking the dataset.",
    cure: "Check the reasons counted in the message.",
  },
  ERR_DATASET_DAMAGED: {
    family: "dataset",
    meaning: "A dataset's shards or their index are not what was written.",
    cure: "Push or pull the dataset again, or pack it again; `npx anonymizer-train data verify` names all that is damaged.",
  },
  ERR_MODEL_NOT_FOUND: {
    family: "model",
    meaning: "The model folder or one of its files does not exist.",
    cure: "Export it with `.venv/bin/python scripts/export_models.py --preset PRESET --out FOLDER` (tiny, small or sd2), or name the folder of another model.",
  },
  ERR_MODEL_GRAPH: {
    family: "model",
    meaning: "The TorchScript graph is damaged or lacks a method.",
    cure: "Export the model again.",
  },
  ERR_MODEL_WEIGHTS: {
    family: "model",
    meaning: "The safetensors file is damaged or does not fit the graph.",
    cure: "Export or download the weights again; the message names the tensor.",
  },
  ERR_MODEL_HASH: {
    family: "model",
    meaning: "A file of the model does not have the hash its metadata states.",
    cure: "Get the model again from its source; do not use it.",
  },
  ERR_MODEL_SOURCE: {
    family: "model",
    meaning: "The file that models are to be installed from is not what it should be.",
    cure: "Download it again with `pip download --no-deps rapidocr==3.10.0` and give that file.",
  },
  ERR_MODEL_SHAPE: {
    family: "model",
    meaning: "The model's shapes do not fit its use.",
    cure: "Use the model named in the message (an inpainting UNet takes 2·C+1 input channels, 9 for C = 4).",
  },
  ERR_ADAPTER: {
    family: "model",
    meaning: "An adapter is damaged, of an unknown format, or made for another model.",
    cure: "Use the adapter with the model it was trained on; look into it with `npx anonymizer-train adapter inspect`.",
  },
  ERR_TRAINING_NAN: {
    family: "training",
    meaning: "A loss or gradient became NaN or infinite. The weights were not changed by that step.",
    cure: "Lower the learning rate, use fp32, or mend the data named in the message.",
  },
  ERR_CHECKPOINT_NOT_FOUND: {
    family: "training",
    meaning: "There is no checkpoint to resume from.",
    cure: "Give a run folder that holds checkpoints, or start without --resume.",
  },
  ERR_CHECKPOINT_DAMAGED: {
    family: "training",
    meaning: "A checkpoint is incomplete or its hashes do not match.",
    cure: "Resume from an older checkpoint of the same run.",
  },
  ERR_CACHE_DAMAGED: {
    family: "training",
    meaning: "Entries of the latent cache are not what was written.",
    cure: "Run `anonymizer-train cache build` with the same configuration; it makes them again, as training does.",
  },
  ERR_CHECKPOINT_MISMATCH: {
    family: "training",
    meaning: "The checkpoint was written by a run with another model or configuration.",
    cure: "Resume with the configuration stored in the checkpoint.",
  },
  ERR_DISTRIBUTED: {
    family: "training",
    meaning:
      "Processes that train together did not meet, or one was lost or too slow; the others can't go on without it.",
    cure: "See the output of the process that failed first, then start all again with --resume. If none failed, raise distributed.timeout_seconds, or check MASTER_ADDR, MASTER_PORT and the network.",
  },
  ERR_OCR_FAILED: {
    family: "detection",
    meaning: "The OCR engine failed.",
    cure: "Try again; if it persists, check the page image and the engine's installation.",
  },
  ERR_OCR_TIMEOUT: {
    family: "detection",
    meaning: "Reading a page took longer than the time-out.",
    cure: "Raise `ocr.timeout_ms`, or scan at a lower resolution.",
  },
  ERR_NER_RUNTIME: {
    family: "detection",
    meaning: "The package that runs the model for names is not installed or does not load.",
    cure: "Install it with `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@1.30.0`, or leave out `ner`.",
  },
  ERR_DETECTION_FAILED: {
    family: "detection",
    meaning: "A part of detection that works in a thread of its own failed.",
    cure: "Try again; if it persists, leave out that part (`ner`, `images`), and please report it.",
  },
  ERR_OCR_RUNTIME: {
    family: "detection",
    meaning: "The package that runs PP-OCR's networks is not installed or does not load.",
    cure: "Install it with `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@1.30.0`, or use `ocr.engine: tesseract`.",
  },
  ERR_RENDER: {
    family: "document",
    meaning: "A text could not be rendered.",
    cure: "Check that the fonts are installed with the package.",
  },
  ERR_PSEUDONYM_EXHAUSTED: {
    family: "detection",
    meaning: "No invented value was found that differs from every original and every other fake.",
    cure: "Use another key, or allow more values for this type.",
  },
  ERR_NOT_PROVEN: {
    family: "verification",
    meaning: "The result could not be proven free of the originals, so it was not written.",
    cure: "Read the report; lower the gate only if you accept the risk.",
  },
  ERR_OUTPUT: {
    family: "io",
    meaning: "The output could not be written.",
    cure: "Check that the folder exists, is writable and has free space.",
  },
  ERR_LOCKED: {
    family: "io",
    meaning: "Another process works on the same file or folder.",
    cure: "Wait until it has ended, or give this one another file or folder.",
  },
  ERR_VAULT_NOT_FOUND: {
    family: "vault",
    meaning: "The vault does not exist or can't be read.",
    cure: "Check the path; a vault is made by `anonymizer run --vault FILE`.",
  },
  ERR_VAULT_KEY: {
    family: "vault",
    meaning: "The vault can't be opened with this key.",
    cure: "Give the key the vault was made with (--key-file, ANONYMIZER_KEY, or vault_key_file, ANONYMIZER_VAULT_KEY).",
  },
  ERR_VAULT_DAMAGED: {
    family: "vault",
    meaning: "The vault is no vault, of an unknown version, shortened or changed. Nothing in it can be trusted.",
    cure: "Restore the file from a backup.",
  },
  ERR_PATH_OUTSIDE_ROOT: {
    family: "io",
    meaning: "A path leads outside the folder it must stay in.",
    cure: "Use a relative path without `..` and without links that leave the folder.",
  },
  ERR_STORE_ADDRESS: {
    family: "store",
    meaning: "The address of a store or of a model in it is not valid.",
    cure: "Write r2://BUCKET/PREFIX, s3://BUCKET/PREFIX or file:///FOLDER; for a model add /NAME@VERSION or /NAME@TAG.",
  },
  ERR_STORE_CREDENTIALS: {
    family: "store",
    meaning: "The credentials of a store are missing or incomplete, or others can read the file they stand in.",
    cure: "Set R2_ACCOUNT_ID, R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY (s3://: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or name a file of such lines with mode 600 in ANONYMIZER_STORE_CREDENTIALS.",
  },
  ERR_STORE_DENIED: {
    family: "store",
    meaning: "The store knows these credentials not at all, or not for this.",
    cure: "Check the credentials, what they are allowed to do, and this machine's clock.",
  },
  ERR_STORE_NOT_FOUND: {
    family: "store",
    meaning: "The bucket, object, model or version does not exist.",
    cure: "Check the name; `npx anonymizer models list STORE` shows what there is.",
  },
  ERR_STORE_KEY: {
    family: "store",
    meaning: "The key of an object is not valid or leads outside the store's prefix.",
    cure: "Use a relative key of plain names with `/` between them, at most 1,024 bytes in all.",
  },
  ERR_STORE_CONFLICT: {
    family: "store",
    meaning: "Somebody else wrote the object meanwhile, or it exists and must not be replaced. Nothing was changed.",
    cure: "Look at what stands there now, then try again.",
  },
  ERR_STORE_DAMAGED: {
    family: "store",
    meaning: "What was read is not what was written: its SHA-256 or size differs. It was not kept.",
    cure: "Try again; if it persists, write the object again from its source.",
  },
  ERR_STORE_CHANGED: {
    family: "store",
    meaning: "A file changed while it was uploaded.",
    cure: "Upload it again when nobody writes to it.",
  },
  ERR_STORE_LIMIT: {
    family: "store",
    meaning: "An object is larger than allowed.",
    cure: "Split it, or raise the limit named in the message.",
  },
  ERR_STORE_UNAVAILABLE: {
    family: "store",
    meaning: "The store could not be reached or failed again and again.",
    cure: "Check network and endpoint, then try again: uploads and downloads go on where they stopped.",
  },
  ERR_STORE_REFUSED: {
    family: "store",
    meaning: "The store refused the request.",
    cure: "The message has the store's reason.",
  },
  ERR_MODEL_VERSION: {
    family: "store",
    meaning: "This version or tag of a model is taken, or was deleted; versions never change.",
    cure: "Push under a new version, or choose another tag.",
  },
  ERR_SERVICE_LISTEN: {
    family: "service",
    meaning: "The server can't listen at this address.",
    cure: "Choose another port or host (--port 0 takes any free port), or end what listens there.",
  },
  ERR_SERVICE_TOKEN: {
    family: "service",
    meaning: "The request has no token, or not the right one.",
    cure: "Send the header `Authorization: Bearer TOKEN`.",
  },
  ERR_SERVICE_HOST: {
    family: "service",
    meaning: "A server without a token answers only this machine's own programs, under a name of this machine.",
    cure: "Call it as http://127.0.0.1:PORT, not from a web page, or start it with a token.",
  },
  ERR_SERVICE_REQUEST: {
    family: "service",
    meaning: "The request is not valid.",
    cure: "Send one document: as the body with its content type, or as the only part of multipart/form-data.",
  },
  ERR_SERVICE_ROUTE: {
    family: "service",
    meaning: "There is nothing at this address, or not for this method.",
    cure: "Send documents with POST to /anonymize-document.",
  },
  ERR_SERVICE_BUSY: {
    family: "service",
    meaning: "The server has as many documents as it may hold.",
    cure: "Send it again after as many seconds as the header Retry-After says.",
  },
  ERR_SERVICE_NOT_READY: {
    family: "service",
    meaning: "The server is starting, stopping or recovering and takes no documents now.",
    cure: "Send it again after as many seconds as the header Retry-After says.",
  },
  ERR_SERVICE_TIMEOUT: {
    family: "service",
    meaning: "The request or its document took longer than allowed.",
    cure: "Send the document faster, or a smaller one; or raise service.upload_seconds or service.job_seconds.",
  },
  ERR_SERVICE_JOB: {
    family: "service",
    meaning: "There is no such job: it was deleted, or its time or room was used up.",
    cure: "Send the document again, and fetch its result before `expires_at`.",
  },
  ERR_SERVICE_UNFINISHED: {
    family: "service",
    meaning: "The document is not finished yet.",
    cure: "Ask again after as many seconds as the header Retry-After says, or wait with GET /jobs/ID?wait=60.",
  },
  ERR_SERVICE_FAILED: {
    family: "service",
    meaning: "The server failed at this document; its log says why, under the same request id.",
    cure: "Try again; if it happens again, tell the operator the request id.",
  },
  ERR_LAUNCH_PACKAGE: {
    family: "launch",
    meaning: "The installed package `modal` is not Modal's SDK: another package has the same name.",
    cure: "Install it with `npm install --save-exact modal@0.11.1`.",
  },
  ERR_LAUNCH_CREDENTIALS: {
    family: "launch",
    meaning: "There are no credentials for Modal, or it does not know them.",
    cure: "Set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run `modal token new`.",
  },
  ERR_LAUNCH_NOT_FOUND: {
    family: "launch",
    meaning: "The app, function, run, volume, secret or image does not exist.",
    cure: "Deploy the app with `modal deploy modal/app.py` into the same environment, and check the names.",
  },
  ERR_LAUNCH_CAPACITY: {
    family: "launch",
    meaning: "No machine of the kind asked for is free, or a limit of the account is reached.",
    cure: "Try again later, or ask for another GPU.",
  },
  ERR_LAUNCH_CONFIG: {
    family: "launch",
    meaning: "This configuration can't be used on another machine.",
    cure: "Give paths as the containers see them: below /data, /models or /runs.",
  },
  ERR_LAUNCH_RUN: {
    family: "launch",
    meaning: "A run of this name is under way already, or there is none.",
    cure: "Attach to it with `anonymizer-train launch modal attach RUN`, or choose another --run.",
  },
  ERR_LAUNCH_FAILED: {
    family: "launch",
    meaning: "Modal could not do what was asked, or the run failed there.",
    cure: "Look at the log: `anonymizer-train launch modal logs RUN`.",
  },
  ERR_ABORTED: {
    family: "abort",
    meaning: "The work was stopped by its AbortSignal.",
    cure: "Nothing to mend; start again or resume.",
  },
  ERR_USAGE: {
    family: "usage",
    meaning: "The command line is not valid.",
    cure: "See `--help`.",
  },
} as const satisfies Record<string, Definition>;

export type ErrorCode = keyof typeof definitions;

/** What each code means and how to mend it; the source of the table in the documentation. */
export const errorCodes: Readonly<Record<ErrorCode, Readonly<Definition>>> = definitions;

export interface ErrorOptionsWithDetails {
  cause?: unknown;
  /** Machine-readable facts (paths, shapes, line numbers); never document text. */
  details?: Record<string, unknown>;
  /** What mends this very case, where the code's general cure can be made more exact. */
  cure?: string;
}

/** Base of every error thrown by this package. */
export class AnonymizerError extends Error {
  override name = "AnonymizerError";
  readonly code: ErrorCode;
  readonly cure: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsWithDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.cure = options.cure ?? definitions[code].cure;
    this.details = options.details ?? {};
  }

  toJSON(): { name: string; code: ErrorCode; message: string; cure: string; details: Record<string, unknown> } {
    return { name: this.name, code: this.code, message: this.message, cure: this.cure, details: this.details };
  }
}

/** LibTorch or the native binary is missing, of a wrong version, or not loadable. */
export class LibTorchError extends AnonymizerError {
  override name = "LibTorchError";
}
/** LibTorch failed inside a computation. */
export class NativeError extends AnonymizerError {
  override name = "NativeError";
}
/** A configuration file or object is not valid. */
export class ConfigError extends AnonymizerError {
  override name = "ConfigError";
}
/** An input document can't be used. */
export class DocumentError extends AnonymizerError {
  override name = "DocumentError";
}
/** A dataset can't be used. */
export class DatasetError extends AnonymizerError {
  override name = "DatasetError";
}
/** A model folder can't be used. */
export class ModelError extends AnonymizerError {
  override name = "ModelError";
}
/** Training can't go on or resume. */
export class TrainingError extends AnonymizerError {
  override name = "TrainingError";
}
/** Reading the page or inventing replacements failed. */
export class DetectionError extends AnonymizerError {
  override name = "DetectionError";
}
/** The result could not be proven clean. */
export class VerificationError extends AnonymizerError {
  override name = "VerificationError";
}
/** Memory or a device is not available. */
export class ResourceError extends AnonymizerError {
  override name = "ResourceError";
}
/** The vault can't be opened or trusted. */
export class VaultError extends AnonymizerError {
  override name = "VaultError";
}
/** Reading or writing files failed. */
export class FileError extends AnonymizerError {
  override name = "FileError";
}
/** An object store or model registry can't be used. */
export class StoreError extends AnonymizerError {
  override name = "StoreError";
}
/** The server can't start or can't take a request. */
export class ServiceError extends AnonymizerError {
  override name = "ServiceError";
}
/** A run on other machines can't be started or followed. */
export class LaunchError extends AnonymizerError {
  override name = "LaunchError";
}
/** Stopped by an AbortSignal. `name` is "AbortError", as the web platform's. */
export class AbortError extends AnonymizerError {
  override name = "AbortError";
}
/** The API or the command line was used wrongly. */
export class UsageError extends AnonymizerError {
  override name = "UsageError";
}

const classes: Record<Family, typeof AnonymizerError> = {
  libtorch: LibTorchError,
  native: NativeError,
  config: ConfigError,
  document: DocumentError,
  dataset: DatasetError,
  model: ModelError,
  training: TrainingError,
  detection: DetectionError,
  verification: VerificationError,
  resource: ResourceError,
  vault: VaultError,
  io: FileError,
  store: StoreError,
  service: ServiceError,
  launch: LaunchError,
  abort: AbortError,
  usage: UsageError,
};

/** Makes the error of the class that belongs to `code`. */
export function codedError(code: ErrorCode, message: string, options?: ErrorOptionsWithDetails): AnonymizerError {
  return new classes[definitions[code].family](code, message, options);
}

/** `error` itself where it has a code, else an error with this one, and `error` as its cause. */
export const withCode = (error: unknown, code: ErrorCode, message: string): AnonymizerError =>
  error instanceof AnonymizerError ? error : codedError(code, message, { cause: error });

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(definitions, code);
}

/** Throws ERR_ABORTED when the signal has fired. Call it between the steps of long work. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

export const abortError = (signal: AbortSignal | undefined): AnonymizerError =>
  codedError("ERR_ABORTED", "The work was aborted", { cause: signal?.reason });

/** What the operating system says: ENOENT, ENOSPC, … */
export function systemCode(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" ? code : "unknown reason";
}

/** One line for logs and terminals: code, message, cure. */
export function describeError(error: unknown): string {
  if (error instanceof AnonymizerError) return `${error.code}: ${error.message}\n  ${error.cure}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
