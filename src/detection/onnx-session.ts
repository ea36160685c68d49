/** Networks in ONNX, run by the optional package onnxruntime-node. */
import type { InferenceSession } from "onnxruntime-node";
import { codedError, type ErrorCode } from "../errors.ts";

interface SessionSettings extends InferenceSession.SessionOptions {
  /** Code where the package can't be loaded. */
  readonly missing: ErrorCode;
  /** What mends a network that can't be loaded. */
  readonly cure: string;
}

/** Also gives the class of its inputs. Rejects with `missing` and ERR_MODEL_GRAPH. */
export async function openSession(path: string, { missing, cure, ...options }: SessionSettings) {
  const { InferenceSession, Tensor } = await import("onnxruntime-node").catch((cause: unknown) => {
    throw codedError(missing, "The package onnxruntime-node can't be loaded", { cause });
  });
  const session = await InferenceSession.create(path, {
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    ...options,
  }).catch((cause: unknown) => {
    throw codedError("ERR_MODEL_GRAPH", `${path} can't be loaded`, { cause, cure });
  });
  return { session, Tensor };
}
