/** The thread in which the token classification model runs. A run blocks the thread it is made in. */
import { parentPort, workerData } from "node:worker_threads";
import type { Tensor } from "onnxruntime-node";
import { codedError } from "../../errors.ts";
import { openSession } from "../onnx-session.ts";
import { serveCalls } from "../worker-thread.ts";
import type { NerRequest, NerScores } from "./token-classifier.ts";

const { graph, classes } = workerData as { readonly graph: string; readonly classes: number };

const open = () =>
  openSession(graph, {
    missing: "ERR_NER_RUNTIME",
    cure: "Export the model to ONNX again.",
    intraOpNumThreads: 1,
  });

let opened: ReturnType<typeof open> | undefined;

serveCalls(parentPort!, async ({ tokens }: NerRequest): Promise<NerScores> => {
  opened ??= open();
  const { session, Tensor } = await opened;
  if (tokens.length === 0) return { data: new Float32Array(0) };
  const whole = (value: (i: number) => number) =>
    new Tensor(
      "int64",
      BigInt64Array.from(tokens, (_, i) => BigInt(value(i))),
      [1, tokens.length],
    );
  const inputs: Record<string, Tensor> = {};
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
