/** Credentials and endpoint of a bucket: from a private file or the environment, never from an address or YAML. */
import { open } from "node:fs/promises";
import { codedError } from "../errors.ts";
import type { StoreOptions } from "./object-store.ts";

export interface S3Access {
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

const maxFileBytes = 64 * 1024;

/**
 * For r2:// R2_ACCOUNT_ID (or R2_ENDPOINT, for a jurisdiction's), R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY and
 * R2_SESSION_TOKEN; for s3:// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and
 * AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. The file goes before the environment as a whole.
 *
 * Throws ERR_STORE_CREDENTIALS, ERR_STORE_ADDRESS (the endpoint is none). No message holds a value.
 */
export async function resolveAccess(scheme: "r2" | "s3", options: StoreOptions): Promise<S3Access> {
  const environment = options.environment ?? process.env;
  const file = options.credentialsFile ?? environment["ANONYMIZER_STORE_CREDENTIALS"];
  const values = file === undefined || file === "" ? environment : await readCredentialsFile(file);
  const source = values === environment ? "the environment" : file!;
  const get = (name: string): string | undefined => (values[name] === "" ? undefined : values[name]);
  const need = (...names: string[]): string => {
    for (const name of names) {
      const value = get(name);
      if (value !== undefined) return value;
    }
    throw codedError("ERR_STORE_CREDENTIALS", `${source} lacks ${names.join(" or ")}`, { details: { lacks: names } });
  };
  if (scheme === "r2") {
    return {
      endpoint: checkEndpoint(get("R2_ENDPOINT") ?? r2Endpoint(need("R2_ACCOUNT_ID", "R2_ENDPOINT"))),
      region: "auto",
      pathStyle: true,
      accessKeyId: need("R2_ACCESS_KEY_ID"),
      secretAccessKey: need("R2_SECRET_ACCESS_KEY"),
      sessionToken: get("R2_SESSION_TOKEN"),
    };
  }
  const endpoint = get("AWS_ENDPOINT_URL_S3") ?? get("AWS_ENDPOINT_URL");
  return {
    endpoint: endpoint === undefined ? undefined : checkEndpoint(endpoint),
    region: get("AWS_REGION") ?? get("AWS_DEFAULT_REGION") ?? "us-east-1",
    // Servers other than Amazon's rarely have a host name per bucket.
    pathStyle: endpoint !== undefined,
    accessKeyId: need("AWS_ACCESS_KEY_ID"),
    secretAccessKey: need("AWS_SECRET_ACCESS_KEY"),
    sessionToken: get("AWS_SESSION_TOKEN"),
  };
}

function r2Endpoint(account: string): string {
  if (!/^[0-9a-f]{32}$/i.test(account)) {
    throw codedError("ERR_STORE_CREDENTIALS", "R2_ACCOUNT_ID is not 32 hexadecimal digits");
  }
  return `https://${account.toLowerCase()}.r2.cloudflarestorage.com`;
}

/** https, or http to this very machine: documents and models don't cross a network in the clear. */
function checkEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const local = url !== undefined && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url === undefined || url.username !== "" || url.password !== "") {
    throw codedError("ERR_STORE_ADDRESS", "The endpoint is no URL, or holds a user or password", {
      cure: "Set the endpoint to https://HOST.",
    });
  }
  if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) {
    throw codedError("ERR_STORE_ADDRESS", `The endpoint ${url.origin} is not https`, {
      cure: "Set the endpoint to https://HOST; http is for this machine itself only.",
    });
  }
  return url.href.replace(/\/$/, "");
}

async function readCredentialsFile(file: string): Promise<Record<string, string>> {
  const wrong = (what: string, cause?: unknown) =>
    codedError("ERR_STORE_CREDENTIALS", `${file} ${what}`, { cause, details: { file } });
  const handle = await open(file, "r").catch((error: unknown) => {
    throw wrong("can't be read", error);
  });
  try {
    const stat = await handle.stat();
    if ((stat.mode & 0o077) !== 0) throw wrong(`can be read by others; run \`chmod 600 ${file}\``);
    if (!stat.isFile() || stat.size > maxFileBytes) throw wrong("is no file of credentials");
    const values: Record<string, string> = {};
    for (const [index, line] of (await handle.readFile("utf8")).split(/\r?\n/).entries()) {
      if (/^\s*(#|$)/.test(line)) continue;
      const match = /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
      if (match === null) throw wrong(`has no NAME=VALUE in line ${index + 1}`);
      values[match[1]!] = match[2]!.replace(/^(["'])(.*)\1$/, "$2");
    }
    return values;
  } finally {
    await handle.close();
  }
}
