/**
 * The file format of a vault: a header, two marks and a chain of encrypted blocks, appended to and never rewritten.
 *
 *     0  magic "ANVAULT1"                                             8 bytes; the digit is the version
 *     8  salt                                                        32
 *    40  nonce, data key encrypted under the wrapping key, tag       12 + 32 + 16
 *   100  two marks: nonce, encrypted {sequence, end, last tag}, tag   2 × (12 + 32 + 16)
 *   220  blocks: length of the text, nonce, encrypted text, tag       4 + 12 + n + 16 each
 *
 * Everything is AES-256-GCM (NIST SP 800-38D) with random nonces. The wrapping key is HKDF-SHA256 (RFC 5869) of the
 * caller's key with the file's salt; the data key is random, so every file has its own. What is authenticated beside the
 * data: for the data key magic and salt; for marks and blocks the whole header, for a block also its place and the tag
 * of the block before it. So no part can be changed, moved, exchanged or taken from another vault.
 *
 * An append writes and syncs the block, then the older of the two marks. A block that was written only in part before a
 * crash lies behind the newest mark and is written over. A file that ends before its newest mark was shortened. What can't
 * be told is an older copy of the whole file put in place of the newer.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { type FileHandle, link, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeStaleTemporaries } from "../documents/files.ts";
import { codedError, systemCode } from "../errors.ts";
import { flush } from "../models/files.ts";

const magic = Buffer.from("ANVAULT1", "latin1");
const [saltBytes, keyBytes, nonceBytes, tagBytes] = [32, 32, 12, 16];
const sealed = (length: number): number => nonceBytes + length + tagBytes;
const headerBytes = magic.length + saltBytes + sealed(keyBytes);
const markText = 8 + 8 + tagBytes;
const firstBlock = headerBytes + 2 * sealed(markText);
/** No block is longer: a length beyond it is damage, not a reason to take memory. */
export const maxBlockBytes = 1 << 24;

export interface VaultState {
  readonly header: Buffer;
  readonly dataKey: Buffer;
  readonly sequence: number;
  /** Where the next block begins. */
  readonly end: number;
  /** Of the last block; zeros before the first. */
  readonly lastTag: Buffer;
}

const wrappingKey = (key: string, salt: Buffer): Buffer =>
  Buffer.from(hkdfSync("sha256", key, salt, "anonymizer-native vault 1", keyBytes));

function seal(key: Buffer, text: Buffer, about: readonly Buffer[]): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat(about));
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when it is not what was sealed. */
function unseal(key: Buffer, box: Buffer, about: readonly Buffer[]): Buffer | undefined {
  const cipher = createDecipheriv("aes-256-gcm", key, box.subarray(0, nonceBytes), { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat(about));
  cipher.setAuthTag(box.subarray(box.length - tagBytes));
  try {
    return Buffer.concat([cipher.update(box.subarray(nonceBytes, box.length - tagBytes)), cipher.final()]);
  } catch {
    return undefined;
  }
}

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

const damaged = (file: string, how: string) => codedError("ERR_VAULT_DAMAGED", `${file} ${how}`, { details: { file } });

/** Makes an empty vault, mode 600, whole or not at all. Does nothing where the file already exists. */
export async function createVaultFile(file: string, key: string): Promise<void> {
  const salt = randomBytes(saltBytes);
  const dataKey = randomBytes(keyBytes);
  const header = Buffer.concat([magic, salt, seal(wrappingKey(key, salt), dataKey, [magic, salt])]);
  const state = { header, dataKey, sequence: 0, end: firstBlock, lastTag: Buffer.alloc(tagBytes) };
  const temporary = join(dirname(file), `.anonymizer-${process.pid}-${randomBytes(6).toString("hex")}.tmp`);
  try {
    await removeStaleTemporaries(dirname(file));
    const content = Buffer.concat([header, sealMark(state), sealMark({ ...state, sequence: 1 })]);
    await writeFile(temporary, content, { flag: "wx", mode: 0o600, flush: true });
    await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    await flush(dirname(file)).catch(() => undefined);
  } catch (cause) {
    throw codedError("ERR_OUTPUT", `The vault ${file} can't be made (${systemCode(cause)})`, { cause });
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

const sealMark = (state: VaultState): Buffer =>
  seal(state.dataKey, Buffer.concat([u64(state.sequence), u64(state.end), state.lastTag]), [
    state.header,
    Buffer.from("mark"),
  ]);

/**
 * Opens the file's header and finds its newest mark. Throws ERR_VAULT_KEY, ERR_VAULT_DAMAGED.
 */
export async function readVaultState(handle: FileHandle, file: string, key: string): Promise<VaultState> {
  const start = await readAt(handle, 0, firstBlock);
  if (!start.subarray(0, magic.length - 1).equals(magic.subarray(0, -1))) throw damaged(file, "is no vault");
  if (start[magic.length - 1] !== magic.at(-1)) throw damaged(file, "has a version that is not known here");
  if (start.length < firstBlock) throw damaged(file, "ends in the middle of its header");
  const header = start.subarray(0, headerBytes);
  const salt = header.subarray(magic.length, magic.length + saltBytes);
  const dataKey = unseal(wrappingKey(key, salt), header.subarray(magic.length + saltBytes), [magic, salt]);
  if (dataKey === undefined) {
    throw codedError("ERR_VAULT_KEY", `${file} can't be opened: another key, or a changed header`, {
      details: { file },
    });
  }
  return newestMark(start, { header, dataKey }, file);
}

function newestMark(start: Buffer, base: Pick<VaultState, "header" | "dataKey">, file: string): VaultState {
  const states: VaultState[] = [];
  for (const i of [0, 1]) {
    const at = headerBytes + i * sealed(markText);
    const mark = unseal(base.dataKey, start.subarray(at, at + sealed(markText)), [base.header, Buffer.from("mark")]);
    if (mark === undefined) continue;
    const [sequence, end] = [Number(mark.readBigUInt64BE(0)), Number(mark.readBigUInt64BE(8))];
    states.push({ ...base, sequence, end, lastTag: mark.subarray(16) });
  }
  states.sort((a, b) => b.sequence - a.sequence);
  if (states[0] === undefined) throw damaged(file, "has no readable mark");
  return states[0];
}

/** Where the chain of blocks begins. */
export const chainStart = (): Pick<VaultState, "end" | "lastTag"> => ({
  end: firstBlock,
  lastTag: Buffer.alloc(tagBytes),
});

/**
 * The texts of all blocks from `from` on, up to the newest mark and beyond it as far as whole blocks follow (their mark
 * was lost). Resolves to the state after the last one. Throws ERR_VAULT_DAMAGED.
 */
export async function readBlocks(
  handle: FileHandle,
  file: string,
  state: VaultState,
  from: Pick<VaultState, "end" | "lastTag">,
  onText: (text: Buffer) => void,
): Promise<VaultState> {
  let { end, lastTag } = from;
  const { size } = await handle.stat();
  if (size < state.end) throw damaged(file, "was shortened");
  for (;;) {
    if (end === state.end && !lastTag.equals(state.lastTag)) throw damaged(file, "has blocks that are not its own");
    const committed = end < state.end;
    const length = await readAt(handle, end, 4);
    const bytes = length.length === 4 ? length.readUInt32BE(0) : Number.POSITIVE_INFINITY;
    const whole = bytes <= maxBlockBytes && end + 4 + sealed(bytes) <= size;
    const box = whole ? await readAt(handle, end + 4, sealed(bytes)) : undefined;
    const text = box && unseal(state.dataKey, box, [state.header, u64(end), lastTag]);
    if (box === undefined || text === undefined) {
      if (committed) throw damaged(file, `was changed at byte ${end}`);
      break;
    }
    lastTag = Buffer.from(box.subarray(box.length - tagBytes));
    end += 4 + box.length;
    onText(text);
    // A block is decrypted in one piece; between blocks others have their turn.
    await new Promise(setImmediate);
  }
  return { ...state, end, lastTag };
}

/** Appends a block and moves the mark on. `state` must be what `readBlocks` gave under the same lock. */
export async function appendBlock(handle: FileHandle, state: VaultState, text: Buffer): Promise<VaultState> {
  if (text.length > maxBlockBytes)
    throw codedError("ERR_INVALID_ARGUMENT", `A block has at most ${maxBlockBytes} bytes`);
  const box = seal(state.dataKey, text, [state.header, u64(state.end), state.lastTag]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  await writeAt(handle, Buffer.concat([length, box]), state.end);
  await handle.sync();
  const next: VaultState = {
    ...state,
    sequence: state.sequence + 1,
    end: state.end + length.length + box.length,
    lastTag: Buffer.from(box.subarray(box.length - tagBytes)),
  };
  await writeAt(handle, sealMark(next), headerBytes + (next.sequence % 2) * sealed(markText));
  await handle.sync();
  return next;
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await handle.read(buffer, read, length - read, position + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
}

async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
