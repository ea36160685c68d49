/** The thread in which the token classification model runs. A run blocks the thread it is made in. */
import { parentPort, workerData } from "node:worker_threads";
import type { InferenceSession } from "onnxruntime-node";
import { codedError } from "../../errors.ts";
import { serveCalls } from "../worker-thread.ts";
import type { NerRequest, NerScores } from "./token-classifier.ts";

const { graph, classes } = workerData as { readonly graph: string; readonly classes: number };

async function open() {
  const ort = await import("onnxruntime-node").catch((cause: unknown) => {
    throw codedError("ERR_NER_RUNTIME", "The package onnxruntime-node can't be loaded", { cause });
  });
  const session: InferenceSession = await ort.InferenceSession.create(graph, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  }).catch((cause: unknown) => {
    throw codedError("ERR_MODEL_GRAPH", `${graph} can't be loaded`, { cause, cure: "Export the model to ONNX again." });
  });
  return { ort, session };
}

let opened: ReturnType<typeof open> | undefined;

serveCalls(parentPort!, async ({ tokens }: NerRequest): Promise<NerScores> => {
  opened ??= open();
  const { ort, session } = await opened;
  if (tokens.length === 0) return { data: new Float32Array(0) };
  const whole = (value: (i: number) => number) =>
    new ort.Tensor(
      "int64",
      BigInt64Array.from(tokens, (_, i) => BigInt(value(i))),
      [1, tokens.length],
    );
  const inputs: Record<string, InstanceType<typeof ort.Tensor>> = {};
  for (const name of session.inputNames) {
    if (name === "input_ids") inputs[name] = whole((i) => tokens[i]!);
    else if (name === "attention_mask") inputs[name] = whole(() => 1);
    else if (name === "token_type_ids") inputs[name] = whole(() => 0);
    else throw wrongGraph(`takes an input "${name}"`);
  }
  const answer = await session.run(inputs);
  const logits = answer["logits"] ?? answer[session.outputNames[0]!]!;
  const [batch, length, width] = logits.dims;
  if (logits.type !== "float32" || batch !== 1 || length !== tokens.length || width !== classes)
    throw wrongGraph(`gives ${logits.type}[${logits.dims.join(", ")}], not float32[1, ${tokens.length}, ${classes}]`);
  return { data: Float32Array.from(logits.data as Float32Array) };
});

const wrongGraph = (what: string) =>
  codedError("ERR_MODEL_SHAPE", `${graph} ${what}`, {
    cure: "Name the folder of a token classification model whose config.json is its own.",
  });
