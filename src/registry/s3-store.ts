/** A bucket of R2 or of another server that speaks S3. */
import { createHash, randomUUID } from "node:crypto";
import { open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import type { GetObjectCommandOutput, HeadObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import type { BuildMiddleware, DeserializeMiddleware, MiddlewareStack } from "@smithy/types";
import { codedError, systemCode } from "../errors.ts";
import { lockFile } from "../file-lock.ts";
import { createGate, inParallel } from "../in-parallel.ts";
import { digestFile } from "../models/files.ts";
import { sha256Of } from "../sha256.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import type {
  DownloadOptions,
  ObjectInfo,
  ObjectStore,
  RequestOptions,
  RetryOptions,
  StoreOptions,
  UploadOptions,
  WriteOptions,
} from "./object-store.ts";
import { bodyOf, type Part, type PartContent, partsOf, readPart } from "./parts.ts";
import { type Attempt, RetryBudget } from "./retry.ts";
import { DamagedArrival, isStoreError, judgeS3Error } from "./s3-errors.ts";
import type { StoreAddress } from "./store-address.ts";
import { resolveAccess, type S3Access } from "./store-credentials.ts";
import { joinKey, joinPrefix, keyFault } from "./store-keys.ts";
import { TransferJournal } from "./transfer-journal.ts";

type Sdk = typeof import("@aws-sdk/client-s3");

const mebi = 1 << 20;
const minPartBytes = 5 * mebi;
const defaultPartBytes = 16 * mebi;
/** Of S3 and R2. */
const maxParts = 10_000;
const maxObjectBytes = 5 * 1024 ** 4;
/** What one request may copy. */
const maxCopyBytes = 5 * 1024 ** 3;
const copyPartBytes = 1024 ** 3;
const readMaxBytes = 16 * mebi;
/** They answer when all is done, and send nothing until then. */
const serverWorks = new Set(["CompleteMultipartUpload", "CopyObject", "UploadPartCopy"]);
const hashKey = "sha256";
/** Tells a write that succeeded while its answer was lost from somebody else's. */
const writeIdKey = "write-id";

interface UploadHeader {
  readonly uploadId: string;
  readonly to: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly partBytes: number;
  readonly writeId: string;
}

interface DownloadHeader {
  readonly from: string;
  readonly etag: string;
  readonly bytes: number;
  readonly partBytes: number;
}

export class S3Store implements ObjectStore {
  readonly address: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #secrets: readonly string[];
  readonly #retry: RetryOptions;
  readonly #concurrency: number;
  readonly #gate: <T>(work: () => Promise<T>) => Promise<T>;
  readonly #partBytes: number;
  readonly #logger: Logger;
  /** Memory of parts that were sent, of all uploads: what is freed is collected too late for so large pieces. */
  readonly #spare: Buffer[] = [];
  #uploads = 0;

  private constructor(
    sdk: Sdk,
    address: Extract<StoreAddress, { bucket: string }>,
    access: S3Access,
    options: StoreOptions,
  ) {
    this.address = address.text;
    this.#sdk = sdk;
    this.#bucket = address.bucket;
    this.#prefix = address.prefix;
    this.#secrets = [access.secretAccessKey, access.accessKeyId, access.sessionToken ?? ""];
    this.#retry = options.retry ?? {};
    this.#concurrency = options.concurrency ?? 4;
    this.#gate = createGate(this.#concurrency);
    this.#partBytes = options.partBytes ?? defaultPartBytes;
    this.#logger = options.logger ?? silentLogger;
    this.#client = new sdk.S3Client({
      region: access.region,
      ...(access.endpoint === undefined ? {} : { endpoint: access.endpoint }),
      forcePathStyle: access.pathStyle,
      credentials: {
        accessKeyId: access.accessKeyId,
        secretAccessKey: access.secretAccessKey,
        ...(access.sessionToken === undefined ? {} : { sessionToken: access.sessionToken }),
      },
      // R2 knows neither the SDK's default checksums everywhere nor "100 Continue".
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      expectContinueHeader: false,
      // Tried again here (retry.ts), with one budget for a whole transfer.
      maxAttempts: 1,
      // Silence is noticed here, too.
      requestHandler: { connectionTimeout: 10_000, socketTimeout: 0 },
    });
  }

  static async open(address: Extract<StoreAddress, { bucket: string }>, options: StoreOptions): Promise<S3Store> {
    const { partBytes = defaultPartBytes, concurrency = 4 } = options;
    if (!Number.isInteger(partBytes) || partBytes < minPartBytes || partBytes > 512 * mebi) {
      throw codedError("ERR_INVALID_ARGUMENT", `partBytes must be 5 MiB to 512 MiB, not ${partBytes}`);
    }
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 64) {
      throw codedError("ERR_INVALID_ARGUMENT", `concurrency must be 1 to 64, not ${concurrency}`);
    }
    const access = await resolveAccess(address.scheme, options);
    // Its note on Node's versions is for who updates it; here it is pinned, and logs are lines of JSON.
    process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
    // Loaded only where a bucket is used.
    return new S3Store(await import("@aws-sdk/client-s3"), address, access, options);
  }

  async head(key: string, { signal }: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    const found = await this.#head(key, new RetryBudget(this.#retry), signal);
    return found && infoOf(key, found);
  }

  async read(
    key: string,
    { signal, maxBytes = readMaxBytes }: RequestOptions & { readonly maxBytes?: number } = {},
  ): Promise<{ data: Buffer; info: ObjectInfo }> {
    const full = this.#key(key);
    const { answer, data } = await this.#send(
      "GetObject",
      key,
      new RetryBudget(this.#retry),
      signal,
      async (attempt) => {
        const got = await this.#client.send(new this.#sdk.GetObjectCommand({ Bucket: this.#bucket, Key: full }), {
          abortSignal: attempt.signal,
        });
        if ((got.ContentLength ?? 0) > maxBytes) {
          (got.Body as Readable).destroy();
          throw codedError(
            "ERR_STORE_LIMIT",
            `${this.#where(key)} has ${got.ContentLength} bytes; ${maxBytes} are allowed`,
          );
        }
        const chunks: Buffer[] = [];
        await drain(got, got.ContentLength ?? 0, attempt, async (chunk) => void chunks.push(chunk));
        const whole = Buffer.concat(chunks);
        const stated = got.Metadata?.[hashKey];
        if (stated !== undefined && sha256Of(whole) !== stated) throw new DamagedArrival();
        return { answer: got, data: whole };
      },
    );
    return { data, info: infoOf(key, answer) };
  }

  async write(key: string, data: Uint8Array | string, options: WriteOptions = {}): Promise<ObjectInfo> {
    const body = typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
    const hash = sha256Of(body);
    return this.#put(key, { data: body, sha256: hash }, hash, new RetryBudget(this.#retry), options);
  }

  async uploadFile(key: string, path: string, options: UploadOptions = {}): Promise<ObjectInfo> {
    this.#key(key);
    const bytes = await sizeOf(path);
    if (bytes > maxObjectBytes) {
      throw codedError("ERR_STORE_LIMIT", `${path} has ${bytes} bytes; an object has at most ${maxObjectBytes}`);
    }
    const budget = new RetryBudget(this.#retry);
    const { condition, signal } = options;
    if (condition !== undefined) await this.#checkCondition(key, condition, budget, signal);
    const hash = options.sha256 ?? (await digestFile(path, signal)).sha256;
    if (bytes > this.#partBytes) return this.#uploadParts(key, path, { bytes, sha256: hash }, budget, options);
    return this.#gate(async () => {
      const body = await readPart(path, { number: 1, start: 0, bytes });
      if (body.sha256 !== hash) throw changed(path);
      const info = await this.#put(key, body, hash, budget, options);
      options.onProgress?.({ key, bytes, totalBytes: bytes });
      return info;
    });
  }

  async downloadFile(key: string, path: string, options: DownloadOptions = {}): Promise<ObjectInfo> {
    const lock = await lockFile(`${path}.download.lock`, {
      waitMs: 0,
      ...(options.signal && { signal: options.signal }),
    });
    try {
      const budget = new RetryBudget(this.#retry);
      // Twice where what an earlier run had left turns out damaged, or the object was replaced meanwhile.
      for (let round = 1; ; round++) {
        const info = await this.#downloadOnce(key, path, budget, options, round);
        if (info !== undefined) return info;
      }
    } finally {
      await lock.release();
    }
  }

  async *list(start: string, { signal }: RequestOptions = {}): AsyncGenerator<ObjectInfo> {
    const prefix = joinPrefix(this.#prefix, start);
    const budget = new RetryBudget(this.#retry);
    let token: string | undefined;
    do {
      const page = await this.#send("ListObjectsV2", start, budget, signal, (attempt) =>
        this.#client.send(
          new this.#sdk.ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          { abortSignal: attempt.signal },
        ),
      );
      for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
        if (Key === undefined || !Key.startsWith(prefix)) continue;
        const key = Key.slice(this.#prefix.length);
        // Other programs mark folders so, or write keys that would lead out of a folder here.
        if (key.endsWith("/") || keyFault(key) !== undefined) {
          if (!key.endsWith("/"))
            this.#logger.warn({ store: this.address }, "an object with an unsafe key is passed over");
          continue;
        }
        yield { key, bytes: Size ?? 0, etag: ETag ?? "", modified: LastModified ?? new Date(0) };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async copy(from: string, to: string, { signal }: RequestOptions = {}): Promise<void> {
    const [source, target] = [this.#key(from), this.#key(to)];
    const budget = new RetryBudget(this.#retry);
    const found = await this.#head(from, budget, signal);
    if (found === undefined) throw this.#missing(from);
    const copySource = encodeURI(`${this.#bucket}/${source}`)
      .replaceAll("?", "%3F")
      .replaceAll("#", "%23")
      .replaceAll("+", "%2B");
    const bytes = found.ContentLength ?? 0;
    if (bytes <= maxCopyBytes) {
      await this.#send("CopyObject", to, budget, signal, (attempt) =>
        this.#client.send(
          new this.#sdk.CopyObjectCommand({ Bucket: this.#bucket, Key: target, CopySource: copySource }),
          { abortSignal: attempt.signal },
        ),
      );
      return;
    }
    const { UploadId } = await this.#createUpload(to, found.Metadata ?? {}, budget, signal);
    const etags = new Map<number, string>();
    await inParallel(
      partsOf(bytes, copyPartBytes),
      this.#concurrency,
      async (part, inner) => {
        const answer = await this.#send("UploadPartCopy", to, budget, inner, (attempt) =>
          this.#client.send(
            new this.#sdk.UploadPartCopyCommand({
              Bucket: this.#bucket,
              Key: target,
              UploadId,
              PartNumber: part.number,
              CopySource: copySource,
              CopySourceRange: rangeOf(part),
            }),
            { abortSignal: attempt.signal },
          ),
        );
        etags.set(part.number, answer.CopyPartResult?.ETag ?? "");
      },
      signal,
    );
    await this.#complete(to, UploadId!, etags, {}, found.Metadata?.[writeIdKey] ?? "", budget, signal);
  }

  async delete(key: string, { signal }: RequestOptions = {}): Promise<void> {
    const full = this.#key(key);
    await this.#send("DeleteObject", key, new RetryBudget(this.#retry), signal, (attempt) =>
      this.#client.send(new this.#sdk.DeleteObjectCommand({ Bucket: this.#bucket, Key: full }), {
        abortSignal: attempt.signal,
      }),
    );
  }

  close(): void {
    this.#client.destroy();
  }

  #key = (key: string): string => joinKey(this.#prefix, key);
  #where = (key: string): string => `${this.address}/${key}`;
  #missing = (key: string) => codedError("ERR_STORE_NOT_FOUND", `${this.#where(key)} does not exist`);

  #send<T>(
    operation: string,
    key: string,
    budget: RetryBudget,
    signal: AbortSignal | undefined,
    work: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    const request = { operation, where: this.#where(key), secrets: this.#secrets };
    return budget.run(work, (error, stalled) => judgeS3Error(error, stalled, request), {
      ...(signal && { signal }),
      ...(serverWorks.has(operation) && { stallMs: this.#retry.serverWorkMs ?? 600_000 }),
      onRetry: ({ error }, number, waitMs) =>
        this.#logger.warn(
          { operation, where: request.where, number, waitMs, reason: error.message },
          "request is tried again",
        ),
    });
  }

  async #head(
    key: string,
    budget: RetryBudget,
    signal: AbortSignal | undefined,
  ): Promise<HeadObjectCommandOutput | undefined> {
    const full = this.#key(key);
    try {
      return await this.#send("HeadObject", key, budget, signal, (attempt) =>
        this.#client.send(new this.#sdk.HeadObjectCommand({ Bucket: this.#bucket, Key: full }), {
          abortSignal: attempt.signal,
        }),
      );
    } catch (error) {
      if (isStoreError(error, "ERR_STORE_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  /** Tells early, before much is sent. What counts is the store's own check in the write. */
  async #checkCondition(
    key: string,
    condition: NonNullable<WriteOptions["condition"]>,
    budget: RetryBudget,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const now = await this.#head(key, budget, signal);
    if (condition === "absent" ? now !== undefined : now?.ETag !== condition.etag) throw this.#conflict(key);
  }

  #conflict = (key: string) =>
    codedError("ERR_STORE_CONFLICT", `${this.#where(key)} is not what it was taken for`, { details: { key } });

  async #put(
    key: string,
    body: PartContent,
    hash: string,
    budget: RetryBudget,
    { condition, signal }: WriteOptions,
  ): Promise<ObjectInfo> {
    const full = this.#key(key);
    const writeId = randomUUID();
    let sent = 0;
    try {
      const answer = await this.#send("PutObject", key, budget, signal, async (attempt) => {
        sent = attempt.number;
        const command = new this.#sdk.PutObjectCommand({
          Bucket: this.#bucket,
          Key: full,
          Body: body.data,
          ContentLength: body.data.length,
          Metadata: { [hashKey]: hash, [writeIdKey]: writeId },
          ...conditionHeaders(condition),
        });
        handOver(command.middlewareStack, body, attempt);
        return this.#client.send(command, { abortSignal: attempt.signal });
      });
      return { key, bytes: body.data.length, etag: answer.ETag ?? "", modified: new Date(), sha256: hash };
    } catch (error) {
      if (!isStoreError(error, "ERR_STORE_CONFLICT")) throw error;
      // The first try may have been done, and only its answer lost.
      const now = sent > 1 ? await this.#head(key, budget, signal) : undefined;
      if (now?.Metadata?.[writeIdKey] === writeId) return infoOf(key, now);
      throw this.#conflict(key);
    }
  }

  async #uploadParts(
    key: string,
    path: string,
    file: { readonly bytes: number; readonly sha256: string },
    budget: RetryBudget,
    options: UploadOptions,
  ): Promise<ObjectInfo> {
    const { signal, onProgress } = options;
    const to = this.#where(key);
    const state = join(dirname(path), `.anonymizer-upload-${sha256Of(`${basename(path)}\n${to}`).slice(0, 16)}.jsonl`);
    const lock = await lockFile(`${state}.lock`, { waitMs: 0, ...(signal && { signal }) });
    let journal: TransferJournal<UploadHeader> | undefined;
    this.#uploads++;
    try {
      journal = await this.#resumeUpload(key, state, { ...file, to }, budget, signal);
      const { uploadId, partBytes, writeId } = journal.header;
      const etags = new Map([...journal.parts.values()].map(({ part, etag }) => [part, etag ?? ""]));
      const parts = partsOf(file.bytes, partBytes);
      let done = parts.filter(({ number }) => etags.has(number)).reduce((sum, part) => sum + part.bytes, 0);
      onProgress?.({ key, bytes: done, totalBytes: file.bytes });
      // Of what is sent, not of what stood in the file before: parts are begun, and so hashed, in order.
      const whole = createHash("sha256");
      const inTurn = createGate(1);
      await inParallel(
        parts,
        this.#concurrency,
        (part, inner) =>
          this.#gate(async () => {
            const memory = this.#takeMemory(Math.min(partBytes, file.bytes));
            const body = await inTurn(() => readPart(path, part, { memory, whole }));
            const there = journal!.parts.get(part.number);
            if (there === undefined || there.sha256 !== body.sha256) {
              if (there !== undefined) done -= part.bytes;
              const etag = await this.#uploadPart(key, uploadId, part, body, budget, inner);
              await journal!.add({ part: part.number, etag, sha256: body.sha256 });
              etags.set(part.number, etag);
              done += part.bytes;
              onProgress?.({ key, bytes: done, totalBytes: file.bytes });
            }
            this.#spare.push(memory);
          }),
        signal,
      );
      if (whole.digest("hex") !== file.sha256) throw changed(path);
      const found = await this.#complete(key, uploadId, etags, options, writeId, budget, signal);
      if (found.ContentLength !== file.bytes) {
        throw codedError("ERR_STORE_DAMAGED", `${to} has ${found.ContentLength} bytes, not ${file.bytes}`);
      }
      await journal.remove();
      return { ...infoOf(key, found), sha256: file.sha256 };
    } catch (error) {
      const useless = ["ERR_STORE_CHANGED", "ERR_STORE_CONFLICT", "ERR_STORE_DAMAGED"] as const;
      if (journal !== undefined && useless.some((code) => isStoreError(error, code))) {
        await this.#abortUpload(key, journal.header.uploadId);
        await journal.remove();
      }
      throw error;
    } finally {
      if (--this.#uploads === 0) this.#spare.length = 0;
      await journal?.close();
      await lock.release();
    }
  }

  /** For a part: what others have used, where it is large enough. */
  #takeMemory(bytes: number): Buffer {
    const index = this.#spare.findIndex(({ length }) => length >= bytes);
    // One that is too small makes room for a larger one.
    const [memory] = this.#spare.splice(Math.max(0, index), 1);
    return index >= 0 && memory !== undefined ? memory : Buffer.allocUnsafeSlow(bytes);
  }

  async #uploadPart(
    key: string,
    uploadId: string,
    part: Part,
    body: PartContent,
    budget: RetryBudget,
    signal: AbortSignal,
  ): Promise<string> {
    const answer = await this.#send("UploadPart", key, budget, signal, (attempt) => {
      const command = new this.#sdk.UploadPartCommand({
        Bucket: this.#bucket,
        Key: this.#key(key),
        UploadId: uploadId,
        PartNumber: part.number,
        Body: body.data,
        ContentLength: part.bytes,
      });
      handOver(command.middlewareStack, body, attempt);
      return this.#client.send(command, { abortSignal: attempt.signal });
    });
    return answer.ETag ?? "";
  }

  /** The upload that an earlier run began, where it is of this very file and the store still has it; else a new one. */
  async #resumeUpload(
    key: string,
    state: string,
    file: { readonly bytes: number; readonly sha256: string; readonly to: string },
    budget: RetryBudget,
    signal: AbortSignal | undefined,
  ): Promise<TransferJournal<UploadHeader>> {
    const old = await TransferJournal.peek<UploadHeader>(state);
    if (old !== undefined) {
      const { header, parts } = old;
      const same = header.to === file.to && header.bytes === file.bytes && header.sha256 === file.sha256;
      const there = same ? await this.#listParts(key, header.uploadId, budget, signal) : undefined;
      if (there !== undefined) {
        for (const { part, etag } of [...parts.values()]) if (there.get(part) !== etag) parts.delete(part);
        this.#logger.info({ where: file.to, parts: parts.size }, "upload goes on");
        return TransferJournal.begin(state, header, parts);
      }
      if (header.to === file.to) await this.#abortUpload(key, header.uploadId);
    }
    const writeId = randomUUID();
    const { UploadId } = await this.#createUpload(
      key,
      { [hashKey]: file.sha256, [writeIdKey]: writeId },
      budget,
      signal,
    );
    const needed = Math.ceil(Math.ceil(file.bytes / maxParts) / mebi) * mebi;
    return TransferJournal.begin(state, {
      uploadId: UploadId!,
      to: file.to,
      bytes: file.bytes,
      sha256: file.sha256,
      partBytes: Math.max(this.#partBytes, needed),
      writeId,
    });
  }

  #createUpload(key: string, metadata: Record<string, string>, budget: RetryBudget, signal: AbortSignal | undefined) {
    const command = { Bucket: this.#bucket, Key: this.#key(key), Metadata: metadata };
    return this.#send("CreateMultipartUpload", key, budget, signal, (attempt) =>
      this.#client.send(new this.#sdk.CreateMultipartUploadCommand(command), { abortSignal: attempt.signal }),
    );
  }

  /** Part → etag; undefined when the store no longer knows the upload. */
  async #listParts(
    key: string,
    uploadId: string,
    budget: RetryBudget,
    signal: AbortSignal | undefined,
  ): Promise<Map<number, string> | undefined> {
    const parts = new Map<number, string>();
    let marker: string | undefined;
    try {
      do {
        const page = await this.#send("ListParts", key, budget, signal, (attempt) =>
          this.#client.send(
            new this.#sdk.ListPartsCommand({
              Bucket: this.#bucket,
              Key: this.#key(key),
              UploadId: uploadId,
              ...(marker === undefined ? {} : { PartNumberMarker: marker }),
            }),
            { abortSignal: attempt.signal },
          ),
        );
        for (const { PartNumber, ETag } of page.Parts ?? []) parts.set(PartNumber ?? 0, ETag ?? "");
        marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
      } while (marker !== undefined);
      return parts;
    } catch (error) {
      if (isStoreError(error, "ERR_STORE_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  async #complete(
    key: string,
    uploadId: string,
    etags: ReadonlyMap<number, string>,
    { condition }: WriteOptions,
    writeId: string,
    budget: RetryBudget,
    signal: AbortSignal | undefined,
  ): Promise<HeadObjectCommandOutput> {
    const Parts = [...etags].sort(([a], [b]) => a - b).map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
    let failure: unknown;
    try {
      await this.#send("CompleteMultipartUpload", key, budget, signal, (attempt) =>
        this.#client.send(
          new this.#sdk.CompleteMultipartUploadCommand({
            Bucket: this.#bucket,
            Key: this.#key(key),
            UploadId: uploadId,
            MultipartUpload: { Parts },
            ...conditionHeaders(condition),
          }),
          { abortSignal: attempt.signal },
        ),
      );
    } catch (error) {
      // An upload that is no longer there was completed by a try whose answer was lost, or taken away.
      if (!isStoreError(error, "ERR_STORE_NOT_FOUND") && !isStoreError(error, "ERR_STORE_CONFLICT")) throw error;
      failure = error;
    }
    const found = await this.#head(key, budget, signal);
    if (found !== undefined && (failure === undefined || found.Metadata?.[writeIdKey] === writeId)) return found;
    throw isStoreError(failure, "ERR_STORE_CONFLICT") ? this.#conflict(key) : (failure ?? this.#missing(key));
  }

  /** Best effort: what stays is removed by the bucket's own rule for unfinished uploads. */
  async #abortUpload(key: string, uploadId: string): Promise<void> {
    await this.#client
      .send(
        new this.#sdk.AbortMultipartUploadCommand({ Bucket: this.#bucket, Key: this.#key(key), UploadId: uploadId }),
      )
      .catch(() => undefined);
  }

  /** undefined: what had arrived was of no use and is gone; begin again. */
  async #downloadOnce(
    key: string,
    path: string,
    budget: RetryBudget,
    { signal, onProgress, sha256: expected }: DownloadOptions,
    round: number,
  ): Promise<ObjectInfo | undefined> {
    const found = await this.#head(key, budget, signal);
    if (found === undefined) throw this.#missing(key);
    const info = infoOf(key, found);
    const [partial, state] = [`${path}.download`, `${path}.download.jsonl`];
    const header: DownloadHeader = {
      from: this.#where(key),
      etag: info.etag,
      bytes: info.bytes,
      partBytes: this.#partBytes,
    };
    const old = await TransferJournal.peek<DownloadHeader>(state);
    const size = await stat(partial).then(
      (entry) => entry.size,
      () => undefined,
    );
    const goesOn = size === info.bytes && JSON.stringify(old?.header) === JSON.stringify(header);
    const journal = await TransferJournal.begin(state, header, goesOn ? old!.parts : new Map());
    try {
      const file = await open(partial, goesOn ? "r+" : "w", 0o600).catch((cause: unknown) => {
        throw cannotWrite(partial, cause);
      });
      try {
        await file.truncate(info.bytes);
        const parts = partsOf(info.bytes, this.#partBytes);
        let done = parts.filter(({ number }) => journal.parts.has(number)).reduce((sum, part) => sum + part.bytes, 0);
        onProgress?.({ key, bytes: done, totalBytes: info.bytes });
        await inParallel(
          parts.filter(({ number }) => !journal.parts.has(number)),
          this.#concurrency,
          (part, inner) =>
            this.#gate(async () => {
              await this.#send("GetObject", key, budget, inner, async (attempt) => {
                const got = await this.#client.send(
                  new this.#sdk.GetObjectCommand({
                    Bucket: this.#bucket,
                    Key: this.#key(key),
                    IfMatch: info.etag,
                    Range: rangeOf(part),
                  }),
                  { abortSignal: attempt.signal },
                );
                let at = part.start;
                await drain(got, part.bytes, attempt, async (chunk) => {
                  await file.write(chunk, 0, chunk.length, at).catch((cause: unknown) => {
                    throw cannotWrite(partial, cause);
                  });
                  at += chunk.length;
                });
              });
              await journal.add({ part: part.number });
              done += part.bytes;
              onProgress?.({ key, bytes: done, totalBytes: info.bytes });
            }),
          signal,
        );
        await file.sync();
      } finally {
        await file.close();
      }
      const wanted = expected ?? info.sha256;
      const actual = await digestFile(partial, signal);
      if (wanted !== undefined && actual.sha256 !== wanted) {
        await rm(partial, { force: true });
        await journal.remove();
        // What an earlier run left is no reason to give up: a damaged object is damaged in one piece, too.
        if (goesOn && round < 3) return undefined;
        throw codedError("ERR_STORE_DAMAGED", `${this.#where(key)} has the SHA-256 ${actual.sha256}, not ${wanted}`, {
          details: { key, expected: wanted, actual: actual.sha256 },
        });
      }
      await rename(partial, path).catch((cause: unknown) => {
        throw cannotWrite(path, cause);
      });
      await journal.remove();
      return { ...info, sha256: actual.sha256 };
    } catch (error) {
      if (!isStoreError(error, "ERR_STORE_CONFLICT")) throw error;
      // It was replaced meanwhile.
      await journal.remove();
      await rm(partial, { force: true });
      if (round >= 3) throw error;
      return undefined;
    } finally {
      await journal.close();
    }
  }
}

const infoOf = (key: string, found: HeadObjectCommandOutput | GetObjectCommandOutput): ObjectInfo => ({
  key,
  bytes: found.ContentLength ?? 0,
  etag: found.ETag ?? "",
  modified: found.LastModified ?? new Date(0),
  ...(found.Metadata?.[hashKey] === undefined ? {} : { sha256: found.Metadata[hashKey] }),
});

const conditionHeaders = (condition: WriteOptions["condition"]) =>
  condition === undefined ? {} : condition === "absent" ? { IfNoneMatch: "*" } : { IfMatch: condition.etag };

const rangeOf = ({ start, bytes }: Part): string => `bytes=${start}-${start + bytes - 1}`;

/**
 * The hash was made in small steps; without it the SDK would hash the whole body at once, and block. The body goes out
 * piece by piece, but only behind the SDK's own retries, which have no use for streams.
 */
function handOver<I extends object, O extends object>(
  stack: MiddlewareStack<I, O>,
  { data, sha256 }: PartContent,
  attempt: Attempt,
): void {
  const stateHash: BuildMiddleware<I, O> = (next) => (args) => {
    (args.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] = sha256;
    return next(args);
  };
  const cutBody: DeserializeMiddleware<I, O> = (next) => (args) => {
    const request = Object.create(args.request as object, { body: { value: bodyOf(data, attempt) } }) as unknown;
    return next({ ...args, request });
  };
  stack.add(stateHash, { step: "build", name: "stateHash" });
  stack.add(cutBody, { step: "deserialize", name: "cutBody", priority: "low" });
}

/** Passes on a body chunk by chunk; throws when it is longer or shorter than it should be. */
async function drain(
  answer: GetObjectCommandOutput,
  bytes: number,
  { moved, signal }: Attempt,
  take: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  const body = answer.Body as Readable;
  const stop = (): void => void body.destroy(new Error("nothing moved any more"));
  signal.addEventListener("abort", stop, { once: true });
  let got = 0;
  try {
    for await (const chunk of body) {
      moved();
      got += (chunk as Buffer).length;
      if (got > bytes) break;
      await take(chunk as Buffer);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    body.destroy();
  }
  if (got !== bytes) throw new Error(`${got} bytes arrived, not ${bytes}`);
}

async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch((cause: unknown) => {
    throw codedError("ERR_STORE_NOT_FOUND", `${path} can't be read`, { cause, cure: "Check the path." });
  });
  if (!info.isFile()) throw codedError("ERR_INVALID_ARGUMENT", `${path} is not a file`);
  return info.size;
}

const changed = (path: string) =>
  codedError("ERR_STORE_CHANGED", `${path} is not the file with this SHA-256, or changed while it was uploaded`, {
    details: { path },
  });

const cannotWrite = (path: string, cause: unknown) =>
  codedError("ERR_OUTPUT", `${path} can't be written (${systemCode(cause)})`, {
    cause,
  });
