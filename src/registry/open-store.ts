/** Opens a store by its address. */
import { FileStore } from "./file-store.ts";
import type { ObjectStore, StoreOptions } from "./object-store.ts";
import { S3Store } from "./s3-store.ts";
import { parseStoreAddress } from "./store-address.ts";

/**
 * Opens `r2://bucket/prefix`, `s3://bucket/prefix` or `file:///folder`. Nothing is sent yet. Rejects with
 * ERR_STORE_ADDRESS, ERR_STORE_CREDENTIALS, ERR_INVALID_ARGUMENT (an option is out of range).
 */
export async function openObjectStore(address: string, options: StoreOptions = {}): Promise<ObjectStore> {
  const parsed = parseStoreAddress(address);
  return parsed.scheme === "file" ? new FileStore(parsed.folder, parsed.text) : S3Store.open(parsed, options);
}
