/** What could have been meant: nearest valid keys and values, found in the JSON Schema. */
import { closest, distance } from "fastest-levenshtein";
import type { JsonSchemaNode } from "./schemas.ts";

/** Every valid key of a schema as a dotted path ("optimizer.learning_rate"); those of a list's entries without places. */
export function allKeys(schema: JsonSchemaNode, prefix = ""): string[] {
  const keys: string[] = [];
  for (const node of [schema, ...(schema.oneOf ?? []), ...(schema.items ? [schema.items] : [])]) {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      const path = prefix === "" ? key : `${prefix}.${key}`;
      keys.push(path, ...allKeys(child, path));
    }
  }
  return [...new Set(keys)];
}

/** Two typing errors (or one swap) in a name of 4 letters and more, one in a shorter one, more in long ones. */
const near = (a: string, b: string): boolean => {
  const length = Math.min(a.length, b.length);
  return distance(a, b) <= Math.max(length < 4 ? 1 : 2, Math.floor(length / 3));
};

/** Lower case and without separators, so that `batchSize` and `BATCH-SIZE` find `batch_size`. */
export const plainKey = (key: string): string => key.replace(/[^a-z0-9]/gi, "").toLowerCase();

/**
 * The valid key nearest to the unknown `key` found below `parent`: first among its siblings, then anywhere by its last
 * part, so that `learning_rate` at the top finds `optimizer.learning_rate`. Undefined where nothing is near.
 */
export function nearestKey(schema: JsonSchemaNode, parent: readonly string[], key: string): string | undefined {
  const keys = usualFirst(schema, allKeys(schema));
  const prefix = parent.length === 0 ? "" : `${parent.join(".")}.`;
  const siblings = keys.filter((k) => k.startsWith(prefix) && !k.slice(prefix.length).includes("."));
  const leaf = (path: string): string => path.slice(path.lastIndexOf(".") + 1);
  for (const group of [siblings, keys]) {
    const same = group.find((k) => plainKey(leaf(k)) === plainKey(key));
    if (same !== undefined) return same;
  }
  for (const group of [siblings, keys]) {
    if (group.length === 0) continue;
    const best = closest(
      plainKey(key),
      group.map((k) => plainKey(leaf(k))),
    );
    if (near(plainKey(key), best)) return group.find((k) => plainKey(leaf(k)) === best);
  }
  return undefined;
}

/** Keys of groups that every configuration has, before those of groups that one may leave out. */
function usualFirst(schema: JsonSchemaNode, keys: readonly string[]): string[] {
  const usual = (key: string): boolean => {
    const top = key.split(".")[0]!;
    return schema.properties?.[top]?.default !== undefined || schema.required?.includes(top) === true;
  };
  return [...keys.filter(usual), ...keys.filter((key) => !usual(key))];
}

/** Valid keys directly below `parent`. */
export function keysBelow(schema: JsonSchemaNode, parent: readonly string[]): string[] {
  const prefix = parent.length === 0 ? "" : `${parent.join(".")}.`;
  return allKeys(schema)
    .filter((k) => k.startsWith(prefix) && !k.slice(prefix.length).includes("."))
    .map((k) => k.slice(prefix.length));
}

/** The allowed value nearest to a wrong one, where one is near. */
export function nearestValue(values: readonly unknown[], wrong: unknown): string | undefined {
  const names = values.filter((v): v is string => typeof v === "string");
  if (typeof wrong !== "string" || names.length === 0) return undefined;
  const best = closest(wrong.toLowerCase(), names);
  return near(wrong.toLowerCase(), best) ? best : undefined;
}
