/** Keys that stay under their prefix, whatever they come from. */
import { codedError } from "../errors.ts";

/** Of S3 and R2, for the whole key in UTF-8. */
const maxKeyBytes = 1024;

/** Why `key` may not be used, or undefined when it may. */
export function keyFault(key: string): string | undefined {
  if (key === "") return "is empty";
  // What some program on the way may decode is judged in every form it can take.
  for (let form = key, depth = 0; ; depth++) {
    const fault = plainFault(form);
    if (fault !== undefined) return depth === 0 ? fault : `${fault} when decoded`;
    const decoded = decode(form);
    if (decoded === form) return undefined;
    if (depth === 4) return "is encoded many times over";
    form = decoded;
  }
}

function plainFault(key: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(key)) return "holds a control character";
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(key)) return "is not valid Unicode";
  if (key.includes("\\")) return "holds a backslash";
  if (key.startsWith("/") || /^[a-z]:/i.test(key)) return "is not relative";
  const parts = key.split("/");
  if (parts.some((part) => part === ".." || part === ".")) return "leads upwards";
  if (parts.includes("")) return "holds an empty name";
  return undefined;
}

/** Valid escapes only: others are letters like all. */
const decode = (text: string): string =>
  text.replace(/%[0-7][0-9a-f]/gi, (coded) => String.fromCharCode(Number.parseInt(coded.slice(1), 16)));

/** The full key of `key` under `prefix` ("" or "a/b/"). Throws ERR_STORE_KEY. */
export function joinKey(prefix: string, key: string): string {
  const fault = keyFault(key) ?? (Buffer.byteLength(prefix + key) > maxKeyBytes ? "is too long" : undefined);
  if (fault !== undefined) {
    throw codedError("ERR_STORE_KEY", `The key ${JSON.stringify(key.slice(0, 200))} ${fault}`, { details: { key } });
  }
  return prefix + key;
}

/** As `joinKey`, for the beginning of keys: it may be empty or end with "/". */
export function joinPrefix(prefix: string, start: string): string {
  if (start === "") return prefix;
  joinKey(prefix, start.endsWith("/") ? start.slice(0, -1) : start);
  return prefix + start;
}
