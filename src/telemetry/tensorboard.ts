/**
 * Writes event files that TensorBoard reads: scalars, images, texts.
 *
 * A file is a row of records, each `length (u64) · masked CRC-32C of the length · data · masked CRC-32C of the data`, all
 * little-endian; the data are `Event` messages of tensorboard/compat/proto/event.proto. Each call of `write` hands its
 * records to the operating system before it resolves, so a killed process loses at most what it was writing; a reader
 * passes over a record that was cut short.
 */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { codedError } from "../errors.ts";
import { maskedCrc32c } from "./crc32c.ts";
import { bytesField, doubleField, floatField, uintField } from "./protobuf.ts";

export type Summary =
  | { readonly tag: string; readonly scalar: number }
  /** A PNG as it is in its file. */
  | { readonly tag: string; readonly png: Uint8Array; readonly width: number; readonly height: number }
  /** Markdown. */
  | { readonly tag: string; readonly text: string };

export interface TensorBoardWriter {
  /** Absolute path of the event file. */
  readonly path: string;
  /** Appends one event with all `summaries`; scalars that are not finite are written as they are. Throws ERR_OUTPUT. */
  write(step: number, summaries: readonly Summary[]): Promise<void>;
  close(): Promise<void>;
}

export interface TensorBoardOptions {
  /**
   * Step that a resumed run starts with (its first new one): TensorBoard then forgets what earlier files of the folder
   * say about this step and later ones, which are written again.
   */
  readonly firstStep?: number;
  /** Seconds since 1970; for tests. */
  readonly now?: () => number;
}

// Field numbers of event.proto, summary.proto, tensor.proto.
const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const sessionStart = uintField(1, 1);
const value = { tag: 1, simpleValue: 2, image: 4, tensor: 8, metadata: 9 } as const;
const colourSpace = { rgb: 3 } as const;
const stringType = 7;
const tensorData = 2;

let filesMade = 0;

/** Starts a new event file in `folder`; earlier ones stay. Throws ERR_OUTPUT. */
export async function openTensorBoard(folder: string, options: TensorBoardOptions = {}): Promise<TensorBoardWriter> {
  const now = options.now ?? (() => Date.now() / 1000);
  const started = now();
  // The reader takes the files of a folder in the order of their names.
  const serial = `${process.pid}.${String(filesMade++).padStart(4, "0")}`;
  const name = `events.out.tfevents.${Math.floor(started).toString().padStart(10, "0")}.${hostname()}.${serial}`;
  const path = join(folder, name);
  let handle: FileHandle;
  let queue: Promise<void> = Promise.resolve();
  const append = (records: Buffer): Promise<void> => {
    queue = queue.then(async () => {
      await handle.appendFile(records).catch((cause: unknown) => {
        throw cannotWrite(path, cause);
      });
    });
    return queue;
  };
  try {
    await mkdir(folder, { recursive: true });
    handle = await open(path, "a");
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
  const head = [record(Buffer.concat([doubleField(event.wallTime, started), bytesField(event.fileVersion, version)]))];
  if (options.firstStep !== undefined) {
    const fields = [doubleField(event.wallTime, started), uintField(event.step, options.firstStep)];
    head.push(record(Buffer.concat([...fields, bytesField(event.sessionLog, sessionStart)])));
  }
  await append(Buffer.concat(head));
  return {
    path,
    write(step, summaries) {
      const fields = [doubleField(event.wallTime, now()), uintField(event.step, step)];
      const summary = bytesField(event.summary, ...summaries.map((s) => bytesField(1, summaryValue(s))));
      return append(record(Buffer.concat([...fields, summary])));
    },
    async close() {
      await queue.catch(() => undefined);
      await handle.close();
    },
  };
}

const version = "brain.Event:2";

const cannotWrite = (path: string, cause: unknown): Error =>
  codedError("ERR_OUTPUT", `${path} can't be written: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    details: { path },
  });

function record(data: Buffer): Buffer {
  const length = Buffer.alloc(12);
  length.writeBigUInt64LE(BigInt(data.length));
  length.writeUInt32LE(maskedCrc32c(length.subarray(0, 8)), 8);
  const end = Buffer.alloc(4);
  end.writeUInt32LE(maskedCrc32c(data));
  return Buffer.concat([length, data, end]);
}

function summaryValue(summary: Summary): Buffer {
  const name = bytesField(value.tag, summary.tag);
  if ("scalar" in summary) return Buffer.concat([name, floatField(value.simpleValue, summary.scalar)]);
  if ("png" in summary) {
    const { height, width, png } = summary;
    const fields = [uintField(1, height), uintField(2, width), uintField(3, colourSpace.rgb), bytesField(4, png)];
    return Buffer.concat([name, bytesField(value.image, ...fields)]);
  }
  const shape = bytesField(2, bytesField(2, uintField(1, 1)));
  const tensor = bytesField(value.tensor, uintField(1, stringType), shape, bytesField(8, summary.text));
  const plugin = bytesField(1, bytesField(1, "text"));
  return Buffer.concat([name, tensor, bytesField(value.metadata, plugin, uintField(4, tensorData))]);
}
