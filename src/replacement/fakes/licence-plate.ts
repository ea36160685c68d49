/** Licence plates. */
import { likePlate } from "../../identifiers/licence-plates.ts";
import { otherCharacters } from "../letters.ts";
import type { FakeMaker } from "./fake.ts";

/** Letters for letters and digits for digits; of a country's form only such as it gives out, with its check letter. */
export const fakeLicencePlate: FakeMaker = (original, { random }) =>
  likePlate(original, random.int) ?? otherCharacters(original, random);
