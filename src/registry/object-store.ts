/** What a place for objects can do, be it a bucket or a folder. */
import type { Logger } from "../telemetry/logger.ts";

export interface ObjectInfo {
  /** Relative to the store's prefix. */
  readonly key: string;
  readonly bytes: number;
  /** Changes whenever the object does; opaque. */
  readonly etag: string;
  readonly modified: Date;
  /** Hex, as stated by the writer; undefined for what this package did not write, and in listings of a bucket. */
  readonly sha256?: string;
}

export interface TransferProgress {
  readonly key: string;
  /** Of this object, including what an earlier, interrupted run had transferred. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
}

/** Conditions are checked by the store itself, in one step with the write. ERR_STORE_CONFLICT when they don't hold. */
export interface WriteOptions extends RequestOptions {
  /** "absent": nothing may stand under the key yet; `etag`: exactly this may stand there. Default: whatever does. */
  readonly condition?: "absent" | { readonly etag: string };
}

export interface UploadOptions extends WriteOptions {
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Hex SHA-256, where it is known already, else the file is read once more; other content is ERR_STORE_CHANGED. */
  readonly sha256?: string;
}

export interface DownloadOptions extends RequestOptions {
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Hex SHA-256 that the content must have. Default: the one stored with the object. */
  readonly sha256?: string;
}

export interface RetryOptions {
  /** Tries of one request; default 8. */
  readonly attempts?: number;
  /** Milliseconds that one call may spend waiting between tries, all its requests together; default 120,000. */
  readonly budgetMs?: number;
  /** First wait, doubled each time up to `maxDelayMs`, and drawn anew between 0 and that; default 200. */
  readonly baseDelayMs?: number;
  /** Default 20,000. */
  readonly maxDelayMs?: number;
  /** A request in which nothing moves, in either direction, for so long is given up and tried again; default 30,000. */
  readonly stallMs?: number;
  /** The same for requests that are silent while the server works (joining parts, copying); default 600,000. */
  readonly serverWorkMs?: number;
}

export interface StoreOptions {
  /** Where credentials and endpoint are read; default: `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** File of NAME=VALUE lines with mode 600 that goes before the environment; default: $ANONYMIZER_STORE_CREDENTIALS. */
  readonly credentialsFile?: string;
  readonly retry?: RetryOptions;
  /** Requests at a time; default 4. One of them holds a part in memory. */
  readonly concurrency?: number;
  /** Bytes of a part of a large object, at least 5 MiB; default 16 MiB. Raised where an object would have over 10,000. */
  readonly partBytes?: number;
  readonly logger?: Logger;
}

/**
 * Objects under a prefix that no key leaves. Every call rejects with a coded error: ERR_STORE_KEY (the key is not valid
 * or leads out), ERR_STORE_NOT_FOUND, ERR_STORE_DENIED, ERR_STORE_CONFLICT, ERR_STORE_DAMAGED, ERR_STORE_CHANGED,
 * ERR_STORE_LIMIT, ERR_STORE_REFUSED, ERR_STORE_UNAVAILABLE (after all tries), ERR_OUTPUT (the local disk), ERR_ABORTED.
 * No error and no log record holds a credential.
 */
export interface ObjectStore {
  /** "r2://bucket/prefix". */
  readonly address: string;
  /** undefined when there is none. */
  head(key: string, options?: RequestOptions): Promise<ObjectInfo | undefined>;
  /** A small object as a whole, checked against its SHA-256; `maxBytes` default 16 MiB. */
  read(
    key: string,
    options?: RequestOptions & { readonly maxBytes?: number },
  ): Promise<{ readonly data: Buffer; readonly info: ObjectInfo }>;
  /** A small object as a whole. */
  write(key: string, data: Uint8Array | string, options?: WriteOptions): Promise<ObjectInfo>;
  /**
   * Uploads a file. A large one goes in parts of equal size; which ones have arrived stands in a file beside it
   * (`.anonymizer-upload-….jsonl`), so that the next call goes on after a kill. ERR_LOCKED while another process
   * uploads the same file to the same place.
   */
  uploadFile(key: string, path: string, options?: UploadOptions): Promise<ObjectInfo>;
  /**
   * Downloads to `path`, which holds either what it held before or the whole, verified object. Parts that have arrived
   * stand in `path.download` and `path.download.jsonl` until then; the next call goes on with them.
   */
  downloadFile(key: string, path: string, options?: DownloadOptions): Promise<ObjectInfo>;
  /** Everything whose key begins with `prefix` ("" = all), in the order of the keys. */
  list(prefix: string, options?: RequestOptions): AsyncIterable<ObjectInfo>;
  /** Makes a copy within the store; the content does not pass through this machine. */
  copy(from: string, to: string, options?: RequestOptions): Promise<void>;
  /** Does nothing where there is no such object. */
  delete(key: string, options?: RequestOptions): Promise<void>;
  close(): void;
}
