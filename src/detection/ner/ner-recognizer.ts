/** Names that a user's own token classification model finds. */
import type { NerConfig } from "../../config/recognizer-config.ts";
import { codedError } from "../../errors.ts";
import type { EntityType, Finding, Recognizer } from "../entity.ts";
import type { OcrPage } from "../ocr.ts";
import { type LabelledWord, openTokenClassifier } from "./token-classifier.ts";

/**
 * The model reads the page as one text, line after line; what it finds across the end of a line becomes a finding on
 * each. Rejects with ERR_MODEL_NOT_FOUND, _GRAPH, _SHAPE (also where none of its labels is known), ERR_NER_RUNTIME.
 */
export async function openNerRecognizer(config: NerConfig): Promise<Recognizer & { close(): Promise<void> }> {
  const classifier = await openTokenClassifier(config.model, config.max_tokens);
  const kinds = [...new Set(classifier.labels.map(kindOf))].filter((kind) => kind !== "O");
  const known = kinds.filter((kind) => Object.hasOwn(config.labels, kind));
  if (known.length === 0) {
    await classifier.close();
    throw codedError("ERR_MODEL_SHAPE", `${config.model}: none of the model's labels (${kinds.join(", ")}) is known`, {
      cure: "Say in ner.labels what the model's labels are.",
    });
  }
  return {
    name: "ner",
    types: [...new Set(known.map((kind) => config.labels[kind]!))],
    async find(page) {
      const { text, starts } = joined(page);
      return grouped(await classifier.classify(text), config.labels).flatMap((group) => onLines(group, page, starts));
    },
    close: () => classifier.close(),
  };
}

/** "PER" of "B-PER". */
const kindOf = (label: string): string => label.replace(/^[BIESLU]-/, "");

/** The lines as one text, with the place of each. */
function joined(page: OcrPage): { readonly text: string; readonly starts: readonly number[] } {
  const starts: number[] = [];
  let text = "";
  for (const line of page.lines) {
    starts.push(text.length);
    text += `${line.text}\n`;
  }
  return { text, starts };
}

interface Group {
  readonly type: EntityType;
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly scores: readonly number[];
}

/** Words of one kind that follow each other; "B-" begins a new one. */
function grouped(words: readonly LabelledWord[], labels: NerConfig["labels"]): Group[] {
  const groups: Group[] = [];
  let open = false;
  for (const { start, end, label, score } of words) {
    const kind = kindOf(label);
    const type = Object.hasOwn(labels, kind) ? labels[kind] : undefined;
    const last = groups.at(-1);
    if (type === undefined) open = false;
    else if (open && last?.kind === kind && !/^[BSU]-/.test(label))
      groups[groups.length - 1] = { ...last, end, scores: [...last.scores, score] };
    else {
      groups.push({ type, kind, start, end, scores: [score] });
      open = true;
    }
  }
  return groups;
}

function onLines(group: Group, page: OcrPage, starts: readonly number[]): Finding[] {
  const score = group.scores.reduce((sum, value) => sum + value, 0) / group.scores.length;
  return page.lines.flatMap(({ text }, line) => {
    const from = Math.max(0, group.start - starts[line]!);
    const to = Math.min(text.length, group.end - starts[line]!);
    if (from >= to || !/[\p{L}\p{N}]/u.test(text.slice(from, to))) return [];
    const evidence = { cue: group.kind };
    return [{ type: group.type, line, span: [from, to] as const, score, reason: "model", evidence }];
  });
}
