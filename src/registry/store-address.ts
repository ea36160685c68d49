/** Addresses of stores: `r2://bucket/prefix`, `s3://bucket/prefix`, `file:///folder`. */
import { isAbsolute, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { codedError } from "../errors.ts";
import { keyFault } from "./store-keys.ts";

export type StoreAddress =
  | {
      readonly scheme: "r2" | "s3";
      readonly bucket: string;
      /** "" or ends with "/". */
      readonly prefix: string;
      readonly text: string;
    }
  | { readonly scheme: "file"; readonly folder: string; readonly text: string };

/** Whether a text names a place in a store, and not a path. */
export const isStoreAddress = (text: string): boolean => /^(r2|s3|file):\/\//i.test(text);

/** Throws ERR_STORE_ADDRESS. Credentials may not stand in an address; one that holds any is not repeated. */
export function parseStoreAddress(address: string): StoreAddress {
  const match = /^(r2|s3|file):\/\/(.*)$/is.exec(address);
  if (match === null) throw fault(address, "begins with none of r2://, s3:// and file://");
  const scheme = match[1]!.toLowerCase() as "r2" | "s3" | "file";
  const rest = match[2]!;
  if (scheme === "file") return fileAddress(address, rest);
  const slash = rest.indexOf("/");
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  if (/[@:]/.test(bucket)) {
    throw codedError("ERR_STORE_ADDRESS", `A ${scheme}:// address holds a user or password; credentials stay outside`);
  }
  if (/[?#]/.test(rest)) throw fault(address, "holds ? or #");
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw fault(address, "names no valid bucket");
  const inner = (slash < 0 ? "" : rest.slice(slash + 1)).replace(/\/$/, "");
  if (inner !== "") {
    const wrong = keyFault(inner);
    if (wrong !== undefined) throw fault(address, `has a prefix that ${wrong}`);
  }
  const prefix = inner === "" ? "" : `${inner}/`;
  return { scheme, bucket, prefix, text: `${scheme}://${bucket}${inner === "" ? "" : `/${inner}`}` };
}

function fileAddress(address: string, rest: string): StoreAddress {
  let folder: string;
  try {
    folder = rest.startsWith("/") ? fileURLToPath(`file://${rest}`) : resolve(decodeURIComponent(rest));
  } catch {
    throw fault(address, "is no valid file URL");
  }
  if (rest === "" || !isAbsolute(folder)) throw fault(address, "names no folder");
  return { scheme: "file", folder: resolve(folder), text: pathToFileURL(resolve(folder)).href };
}

const fault = (address: string, what: string) =>
  codedError("ERR_STORE_ADDRESS", `The address ${JSON.stringify(address.slice(0, 200))} ${what}`);
