/** The two networks of PP-OCR, run by onnxruntime-node. A run blocks the thread it is made in. */
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { codedError } from "../../errors.ts";
import { openSession } from "../onnx-session.ts";
import type { ProbabilityMap } from "./text-boxes.ts";

export interface RecognitionScores {
  /** [count, steps, classes] probabilities. */
  readonly data: Float32Array;
  readonly steps: number;
  readonly classes: number;
}

export interface Networks {
  /** What the classes 1, 2, … of the recognition mean. */
  readonly characters: readonly string[];
  /** `input`: [1, 3, height, width], blue first, −1…1; sides are multiples of 32. */
  detect(input: Float32Array, width: number, height: number): Promise<ProbabilityMap>;
  /** `input`: [count, 3, 48, width], blue first, −1…1. */
  recognise(input: Float32Array, count: number, width: number): Promise<RecognitionScores>;
  close(): Promise<void>;
}

export interface NetworkFiles {
  readonly detection: string;
  readonly recognition: string;
  readonly characters: readonly string[];
  /** Threads of one computation. */
  readonly threads: number;
}

/** Rejects with ERR_OCR_RUNTIME, ERR_MODEL_GRAPH, ERR_MODEL_SHAPE. */
export async function openNetworks(files: NetworkFiles): Promise<Networks> {
  const open = (path: string) =>
    openSession(path, {
      missing: "ERR_OCR_RUNTIME",
      cure: "Install the models again.",
      intraOpNumThreads: files.threads,
      // Lines and pages have all sizes: an arena would keep the memory of the largest of each.
      enableCpuMemArena: false,
    });
  const { session: detection, Tensor } = await open(files.detection);
  const { session: recognition } = await open(files.recognition);
  const run = async (session: InferenceSession, data: Float32Array, shape: number[]): Promise<Tensor> => {
    const answer = await session.run({ [session.inputNames[0]!]: new Tensor("float32", data, shape) });
    return answer[session.outputNames[0]!]!;
  };
  const [output] = recognition.outputMetadata;
  const classes = output?.isTensor ? output.shape.at(-1) : undefined;
  if (classes !== files.characters.length + 1) {
    const message = `The recognition network has ${classes} classes for ${files.characters.length} characters and the blank`;
    throw codedError("ERR_MODEL_SHAPE", message, { cure: "Install the models again." });
  }
  return {
    characters: files.characters,
    async detect(input, width, height) {
      const { data, dims } = await run(detection, input, [1, 3, height, width]);
      return { data: data as Float32Array, width: dims[3]!, height: dims[2]! };
    },
    async recognise(input, count, width) {
      const { data, dims } = await run(recognition, input, [count, 3, 48, width]);
      return { data: data as Float32Array, steps: dims[1]!, classes: dims[2]! };
    },
    async close() {
      await detection.release();
      await recognition.release();
    },
  };
}
