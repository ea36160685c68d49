/** `anonymizer-train adapter …` */
import {
  type AdapterFormat,
  type AdapterRequest,
  adapterValues,
  checkAdapter,
  codedError,
  convertAdapter,
  describeAdapter,
  mergeAdapters,
  scaleOf,
} from "../../index.ts";
import { type Terminal, table } from "../terminal.ts";

export interface InspectCommandOptions {
  readonly model?: string;
  readonly json?: boolean;
}

export interface ConvertCommandOptions {
  readonly to: AdapterFormat;
  readonly out: string;
  readonly model?: string;
}

export interface MergeCommandOptions {
  readonly model: string;
  readonly adapter: readonly string[];
  readonly out: string;
  readonly anyBase?: boolean;
}

/** Prints what an adapter is. */
export async function inspect(path: string, options: InspectCommandOptions, terminal: Terminal): Promise<void> {
  const adapter = await checkAdapter(path, options.model);
  const layers = adapter.layers.map((layer) => ({
    name: layer.name,
    rank: layer.rank,
    alpha: layer.alpha,
    scale: scaleOf(adapter, layer),
    a: adapter.tensors.get(layer.a)!.shape,
    b: adapter.tensors.get(layer.b)!.shape,
  }));
  const { format, sha256, rslora, origin } = adapter;
  const values = adapterValues(adapter);
  if (options.json === true) {
    const facts = { path: adapter.path, format, sha256, rslora, origin, values, layers };
    terminal.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
    return;
  }
  const head = table([
    ["file", adapter.path],
    ["format", format],
    ["adapter", describeAdapter(adapter)],
    ["values", values.toLocaleString("en")],
    ["adapts", origin.model ?? "not stated"],
    ["trained on", trainedOn(origin)],
    ["sha256", sha256],
  ]);
  const rows = layers.map((l) => [l.name, `[${l.a.join(", ")}]`, `[${l.b.join(", ")}]`, l.scale.toPrecision(4)]);
  terminal.stdout.write(`${head}\n\n${table([["layer", "A", "B", "scale"], ...rows])}\n`);
}

const trainedOn = ({ baseName, baseSha256 }: { baseName?: string; baseSha256?: string }): string =>
  baseSha256 === undefined ? "not stated" : `${baseName ?? "unnamed"} (weights sha256 ${baseSha256.slice(0, 16)})`;

/** Converts; prints the folder. */
export async function convert(path: string, options: ConvertCommandOptions, terminal: Terminal): Promise<void> {
  const adapter = await convertAdapter({
    source: path,
    to: options.to,
    out: options.out,
    ...(options.model === undefined ? {} : { model: options.model }),
  });
  terminal.stderr.write(`${describeAdapter(adapter)}: ${adapter.format} → ${options.to}\n`);
  terminal.stdout.write(`${options.out}\n`);
}

/** Merges; prints the model folder. */
export async function merge(options: MergeCommandOptions, terminal: Terminal): Promise<void> {
  const adapters = options.adapter.map((text) => adapterRequest(text, options.anyBase === true));
  for (const { adapter, weight } of await mergeAdapters({ model: options.model, adapters, out: options.out }))
    terminal.stderr.write(`${describeAdapter(adapter)}, weight ${weight}\n`);
  terminal.stdout.write(`${options.out}\n`);
}

/** "folder" or "folder=0.5" */
function adapterRequest(text: string, anyBase: boolean): AdapterRequest {
  const at = text.lastIndexOf("=");
  if (at < 0) return { path: text, anyBase };
  const weight = Number(text.slice(at + 1));
  if (text.slice(at + 1).trim() === "" || !Number.isFinite(weight))
    throw codedError("ERR_USAGE", `--adapter ${text}: what follows = must be a number`);
  return { path: text.slice(0, at), weight, anyBase };
}
