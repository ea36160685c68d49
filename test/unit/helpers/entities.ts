import type { Entity, EntityType } from "../../../src/detection/entity.ts";

/** Entities of one type from texts; ids "p0-e0", "p0-e1", … from `first` on. */
export const entitiesOf = (type: EntityType, texts: readonly string[], first = 0): Entity[] =>
  texts.map((text, i) => ({
    id: `p0-e${first + i}`,
    type,
    page: 0,
    line: i,
    words: [0, 1],
    span: [0, text.length],
    text,
    box: [0, i * 20, 100, i * 20 + 15],
    score: 1,
    recognizer: "test",
    reason: "test",
  }));
