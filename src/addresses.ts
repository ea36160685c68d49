/** What is meant as an address (r2://, s3://, file:// …), and how to speak of one that holds a secret. */
import { codedError } from "./errors.ts";

/** "r2" of "r2://bucket/name"; undefined for what is no address. */
const schemeOf = (value: unknown): string | undefined =>
  typeof value === "string" ? /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1] : undefined;

/** Whether a value is meant as an address, of whatever kind. */
export const isAddress = (value: unknown): value is string => schemeOf(value) !== undefined;

/**
 * @throws `code` where a path of this machine is an address: it would be taken for a folder named "r2:". The address is
 * not repeated, it may hold a password.
 */
export function refuseAddress(value: unknown, name: string, code: "ERR_USAGE" | "ERR_OUTPUT"): void {
  const scheme = schemeOf(value);
  if (scheme !== undefined)
    throw codedError(code, `${name} takes a path of this machine, not an address (${scheme}://…)`, {
      cure: "Bring it here first, or send it afterwards: `anonymizer models pull|push`, `anonymizer-train data pull|push`. A training goes on from its checkpoint.store with --resume auto.",
    });
}

/** Whether a user or password stands in it, which belong into the environment. */
export const holdsUser = (address: string): boolean => /^[^/]*:\/\/[^/]*[:@]/.test(address);

/** For messages. */
export const withoutUser = (text: string): string =>
  holdsUser(text) ? `${text.slice(0, text.indexOf("://"))}://…` : text;
