/** A token classification model (named entities): labels for the words of a text. */
import { createWorkerThread, type WorkerThread } from "../worker-thread.ts";
import { type NerModel, readNerModel } from "./model-folder.ts";
import { type Piece, wordPieces } from "./word-pieces.ts";

export interface NerRequest {
  /** Ids of one sequence with its marks; empty only opens the model. */
  readonly tokens: readonly number[];
}

export interface NerScores {
  /** [tokens, classes], before softmax. */
  readonly data: Float32Array;
}

/** A word with what the model takes it for. */
export interface LabelledWord {
  readonly start: number;
  readonly end: number;
  /** "B-PER", "O". */
  readonly label: string;
  /** 0…1. */
  readonly score: number;
}

export interface TokenClassifier {
  readonly labels: readonly string[];
  /** The words of a text in order. Rejects with ERR_MODEL_*, ERR_NER_RUNTIME, ERR_DETECTION_FAILED, ERR_CLOSED. */
  classify(text: string): Promise<LabelledWord[]>;
  close(): Promise<void>;
}

const timeoutMs = 60_000;

/** Opens the folder and loads the model. Rejects with ERR_MODEL_NOT_FOUND, _GRAPH, _SHAPE, ERR_NER_RUNTIME. */
export async function openTokenClassifier(folder: string, maxTokens: number): Promise<TokenClassifier> {
  const model = await readNerModel(folder, maxTokens);
  const data = { graph: model.graph, classes: model.labels.length };
  const thread = createWorkerThread<NerRequest, NerScores>("detection/ner/thread", data, "The model for names");
  try {
    // A model that can't be run shows now, not with the first document.
    await thread.call({ tokens: [model.begin, model.end] }, { timeoutMs });
  } catch (error) {
    await thread.close();
    throw error;
  }
  return {
    labels: model.labels,
    async classify(text) {
      const words: LabelledWord[] = [];
      for (const part of sequences(wordPieces(text, model.pieces), model.maxTokens - 2))
        words.push(...(await classifyPart(part, model, thread)));
      return words;
    },
    close: () => thread.close(),
  };
}

/** Pieces in sequences of at most `most`, cut before words; a longer word is cut where it must be. */
function sequences(pieces: readonly Piece[], most: number): Piece[][] {
  const parts: Piece[][] = [];
  for (let from = 0; from < pieces.length; ) {
    let to = Math.min(pieces.length, from + most);
    if (to < pieces.length) {
      const word = pieces.slice(from + 1, to + 1).findLastIndex(({ first }) => first);
      if (word >= 0) to = from + 1 + word;
    }
    parts.push(pieces.slice(from, to));
    from = to;
  }
  return parts;
}

async function classifyPart(
  pieces: readonly Piece[],
  { begin, end, labels }: NerModel,
  thread: WorkerThread<NerRequest, NerScores>,
): Promise<LabelledWord[]> {
  const tokens = [begin, ...pieces.map(({ id }) => id), end];
  const { data } = await thread.call({ tokens }, { timeoutMs });
  const words: LabelledWord[] = [];
  for (const [i, { start, end: stop, first }] of pieces.entries()) {
    const last = words.at(-1);
    // A word is what its first piece is.
    if (!first && last !== undefined) {
      words[words.length - 1] = { ...last, end: stop };
      continue;
    }
    const scores = data.subarray((i + 1) * labels.length, (i + 2) * labels.length);
    const best = scores.indexOf(Math.max(...scores));
    words.push({ start, end: stop, label: labels[best] ?? "O", score: softmaxAt(scores, best) });
  }
  return words;
}

/** 0 where the model gave no numbers. */
function softmaxAt(scores: Float32Array, index: number): number {
  const top = scores[index] ?? Number.NaN;
  const value = 1 / scores.reduce((total, score) => total + Math.exp(score - top), 0);
  return Number.isFinite(value) ? value : 0;
}
