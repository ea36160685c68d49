/** `anonymizer serve`: the HTTP server as a process. */
import { createLogger, createServer } from "../../index.ts";
import type { Terminal } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { loadSettings, type SettingsOptions } from "./settings.ts";

export interface ServeOptions extends SettingsOptions {
  readonly host?: string;
  readonly port?: number;
  readonly tokenFile?: string;
  readonly logLevel?: "error" | "warn" | "info" | "debug";
}

/** Serves until the signal fires, then finishes what is under way. Logs one JSON object a line on stderr. */
export async function serve(options: ServeOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { host, port, tokenFile, logLevel = "info" } = options;
  const config = await loadSettings(options, {
    ...(host !== undefined && { "service.host": host }),
    ...(port !== undefined && { "service.port": port }),
    ...(tokenFile !== undefined && { "service.token_file": tokenFile }),
  });
  const logger = createLogger({ level: logLevel, stream: { write: (line) => void terminal.stderr.write(line) } });
  const server = await createServer(config, { logger, signal });
  try {
    terminal.stdout.write(`${await server.listen()}\n`);
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([server.ready.then(() => stopped), stopped]);
    await server.drain();
    return exitCodes.fine;
  } finally {
    await server.close();
  }
}
