import { hashParts } from "../random/hash.ts";

/**
 * The seed of one region: depends on the document's seed, the entity and how often it was tried, not on the order in
 * which regions are drawn. 32 bits.
 */
export const regionSeed = (documentSeed: number | string, entityId: string, attempt = 0): number =>
  hashParts(documentSeed, entityId, attempt).readUInt32BE(0);
