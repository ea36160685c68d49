/** Shorter forms of names that were found: where they count, and what stands in for them. */
import { expect, it } from "vitest";
import { findEntities, invent } from "../../src/anonymizer/find.ts";
import { namePartsOf } from "../../src/anonymizer/name-parts.ts";
import { createDetector } from "../../src/detection/detector.ts";
import { createPseudonymizer } from "../../src/replacement/pseudonyms.ts";
import { columnsOf as page } from "./helpers/ocr-page.ts";

const pseudonymizer = createPseudonymizer({ key: "k".repeat(20) });
const signal = new AbortController().signal;

/** What is replaced by what, in the order of the page. */
async function replaced(...rows: string[]): Promise<[original: string, fake: string][]> {
  const reading = page(...rows);
  const detector = createDetector({ types: ["person", "company"] });
  const found = await findEntities([reading], detector, { minSimilarity: 0.8 });
  const made = await invent(found, [rows.join("\n")], pseudonymizer, signal);
  return made
    .sort((a, b) => a.entity.line - b.entity.line || a.entity.span[0] - b.entity.span[0])
    .map(({ entity, fake }) => [entity.text, fake]);
}

it.each([
  ["person", "Nick Wilkerson", ["wilkerson"]],
  ["person", "Dr. Anna van Houten", ["houten"]],
  ["person", "Wilkerson, Nick", ["wilkerson"]],
  ["person", "Tan Ah Kow", []],
  ["person", "Wilkerson", []],
  ["company", "Lorillard Tobacco Company", ["lorillardtobacco", "lorillard"]],
  ["company", "Brown & Williamson Tobacco Corporation", ["brownwilliamsontobacco", "brownwilliamson", "brown"]],
  ["company", "Restaurant Trading Sdn Bhd", []],
  ["company", "99 Speed Mart", []],
  ["phone", "Wilkerson Lorillard", []],
] as const)("a %s's name, %s, has the parts %o", (type, text, parts) => {
  expect(namePartsOf({ type, text, score: 0.8 }).map((part) => part.text)).toEqual(parts);
});

it("a family name alone gets the family name invented for the whole one", async () => {
  const [whole, part] = await replaced("Name: Nick Wilkerson", "", "Approved", "WILKERSON", "Wilkerson Street Band");
  expect(whole![0]).toBe("Nick Wilkerson");
  expect(part).toEqual(["WILKERSON", whole![1].split(" ")[1]!.toUpperCase()]);
});

it("a company without its legal form gets the same words of the invented name", async () => {
  const made = await replaced(
    "BROWN & WILLIAMSON bid request form",
    "Supplier: Brown & Williamson Tobacco Corporation",
    "the brown paper",
  );
  expect(made.map(([original]) => original)).toEqual(["BROWN & WILLIAMSON", "Brown & Williamson Tobacco Corporation"]);
  expect(made[0]![1]).toBe(made[1]![1].split(" ").slice(0, 3).join(" ").toUpperCase());
});

it("leaves alone what was bought, labels and words beside others", async () => {
  const made = await replaced(
    "Customer name: Nick Orange",
    "Item | Qty",
    "Orange | 2",
    "Total | 4.00",
    "Fresh orange juice",
  );
  expect(made.map(([original]) => original)).toEqual(["Nick Orange"]);
});
