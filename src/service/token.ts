/** Who may call: a bearer token from a private file or the environment. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { readKeyFile } from "../config/secret-key.ts";
import type { ServiceConfig } from "../config/service-config.ts";
import { codedError } from "../errors.ts";

const minTokenLength = 16;

/**
 * The content of `token_file` (trimmed, mode 600), else the environment's ANONYMIZER_TOKEN, else undefined. Throws
 * ERR_CONFIG_INVALID (unusable, or none for an address that other machines reach) and ERR_CONFIG_NOT_FOUND; no error
 * contains the token.
 */
export async function resolveToken(
  config: Pick<ServiceConfig, "token_file" | "host" | "allow_no_token">,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  const { token_file: file, host } = config;
  const token = file === undefined ? environment["ANONYMIZER_TOKEN"] : await readKeyFile(file);
  if (file === undefined && (token === undefined || token === "")) {
    if (isLoopback(host) || config.allow_no_token) return undefined;
    throw codedError(
      "ERR_CONFIG_INVALID",
      `service.host: ${host} can be reached from other machines, but there is no token`,
      {
        cure: "Give service.token_file or ANONYMIZER_TOKEN; or service.allow_no_token where something in front of the server checks who calls.",
      },
    );
  }
  if (!/^[\x21-\x7e]+$/.test(token!) || token!.length < minTokenLength) {
    const source = file ?? "ANONYMIZER_TOKEN";
    throw codedError(
      "ERR_CONFIG_INVALID",
      `${source}: a token has at least ${minTokenLength} characters, all of them printable ASCII without blanks`,
    );
  }
  return token;
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Compares in a time that depends neither on where they differ nor on the token's length. */
export function tokenChecker(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token);
  return (authorization) => {
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    return timingSafeEqual(digest(given ?? ""), expected) && given !== undefined;
  };
}

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));

/** Whether a request may come from this machine's own programs: not from a web page, under no foreign name. */
export function isLocalRequest(headers: {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}): boolean {
  const name = headers.host === undefined ? "" : headers.host.replace(/:\d+$/, "");
  return isLoopback(name) && headers.origin === undefined;
}
