/** What is meant as an address (r2://, s3://, file:// …), and how to speak of one that holds a secret. */

/** Whether a value is meant as an address, of whatever kind. */
export const isAddress = (value: unknown): value is string =>
  typeof value === "string" && /^[a-z][a-z0-9+.-]*:\/\//i.test(value);

/** Whether a user or password stands in it, which belong into the environment. */
export const holdsUser = (address: string): boolean => /^[^/]*:\/\/[^/]*[:@]/.test(address);

/** For messages. */
export const withoutUser = (text: string): string =>
  holdsUser(text) ? `${text.slice(0, text.indexOf("://"))}://…` : text;
