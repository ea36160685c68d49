/** What is drawn in the place of an entity. */
import type { Entity } from "../detection/entity.ts";

export interface Replacement {
  readonly entity: Entity;
  /** The invented value: same type, format and about the same width; never an original of the document. */
  readonly fake: string;
}
