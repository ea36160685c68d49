/** What a piece of text looks like, by its letters alone. */
import { fold } from "./fold.ts";

const letters = (text: string): number => text.match(/\p{L}/gu)?.length ?? 0;
const digits = (text: string): number => text.match(/\p{N}/gu)?.length ?? 0;

/** How many of 0 … 9 there are. */
export const countDigits = (text: string): number => text.match(/\d/g)?.length ?? 0;

/** A sentence or part of one: many words, most of them in small letters. */
export function isProse(text: string): boolean {
  const words = text.split(/\s+/).filter((word) => /\p{L}/u.test(word));
  if (words.length < 6) return false;
  return words.filter((word) => /^[^\p{L}]*\p{Ll}/u.test(word)).length >= 0.4 * words.length;
}

/** An amount of money, a quantity, a percentage, or a row of them. */
export function isAmount(text: string): boolean {
  const bare = text.replace(/(?:rm|eur|usd|gbp|chf|sgd|myr|[€$£]|pcs|kg|x|@|%|sr|zrl?|[a-z])(?![\p{L}])/giu, " ");
  return (
    digits(bare) > 0 &&
    letters(bare) === 0 &&
    /^[\s\d.,:*()/+=-]+$/.test(bare) &&
    /\d[.,]\d{2}(?!\d)|^\W*\d{1,3}\W*$/.test(bare)
  );
}

/** What stands before values and is none: "Reason(s)", "Cost ($)", "Date:". */
export const isCaption = (text: string): boolean => /\p{L}\s?\((?:e?s|e?n|\$)\)|:\s*$/iu.test(text);

/** Words that stand where names stand and are nobody's name. */
const notNames = new Set(
  `cash card no nr name names date time total amount signature stamp copy order invoice receipt address code id user admin
  administrator root counter table pos terminal pax walk walkin guest service care support number type details information tel fax
  phone email to by of the and or here please note none nil sir madam sirs all account group due paid change qty item items
  description price customer cashier staff employee manager operator server default test unknown self till main visa master
  mastercard amex debit credit cheque online web internet office department sales marketing dining eat take away dine in
  point points yes no single married divorced widowed male female new only per each not for with your our this that from at on is are
  sie ihr ihre herr frau damen herren der die das und oder von zu zum zur im am bar karte ec kunde gast kasse personal unterschrift
  datum uhrzeit le la les un une des du et ou monsieur madame client especes carte date heure nom el los las y o del de cliente
  efectivo tarjeta fecha hora il lo gli di e signore signora contanti carta data ora het een en van klant contant pin datum tijd
  handtekening pass check president vice chairman personnel special rating check files file budget human resources relations accounts accounting secretary head section abteilung leitung sekretariat ressources
  humaines direction recursos humanos atencion risorse umane assistenza klantenservice klantendienst personeelszaken kundenservice
  firma encik puan cik pelanggan tunai tarikh masa feb apr jul aug sep sept oct nov dec february july september october november december
  na tbd tba approval approvals approved submitted requested prepared reviewed received authorized authorised verified attached`.split(
    /\s+/,
  ),
);

/** Small words inside names. */
const particles = new Set(
  "van von der den de del della di da dos du la le ter ten te zu y e bin binti bt b al el ibn a l s o p d".split(" "),
);

const titlePattern =
  /^(?:mr|mrs|ms|miss|mdm|dr|prof|ir|ing|dipl|sir|herrn?|frau|mme|mlle|m|sr|sra|srta|sig|sigg|sigra|dott|dhr|mevr|mw|dato|datuk|tuan|puan|encik|cik|hj|haji)\.?$/;

/** A word of two letters that a name can be: "Ng", "LI". */
export const isShortName = (text: string): boolean =>
  /^\p{Lu}\p{L}$/u.test(text) && !notNames.has(fold(text)) && !particles.has(fold(text));

/**
 * Whether text looks like a person's name: one to five words of letters that start with capitals, but for small words
 * like "van der". With `single` one word is enough.
 */
export function isNameShaped(text: string, single = false): boolean {
  const words = text.trim().split(/\s+/);
  if (words.length > 7 || letters(text) < 3 || digits(text) > 0) return false;
  if (!/^[\p{L}'’.,\-@&/ ]+$/u.test(text)) return false;
  let capital = 0;
  for (const word of words) {
    const bare = fold(word).replace(/[^\p{L}]/gu, "");
    if (bare === "") continue;
    if (particles.has(bare) || titlePattern.test(bare)) continue;
    if (notNames.has(bare)) return false;
    if (!/^[^\p{L}]*\p{Lu}/u.test(word)) return false;
    capital++;
  }
  return capital >= (single ? 1 : 2) && capital <= 5;
}

/** The part from the start that may be a name: up to digits, marks, or words that end it. */
export function namePart(text: string): string {
  const match = /^[\p{L}][\p{L}'’.-]*(?:(?:,?\s+|\s?\/\s?)[\p{L}][\p{L}'’.-]*){0,6}/u.exec(text);
  let part = (match?.[0] ?? "").trim();
  // "HOCK TABLE 5": what is no name ends it.
  for (;;) {
    const words = part.split(/\s+/);
    const lastWord = words.at(-1)!;
    const last = fold(lastWord).replace(/[^\p{L}]/gu, "");
    const ends = notNames.has(last) || (particles.has(last) && !/^\p{Lu}\.$/u.test(lastWord));
    if (words.length > 1 && (ends || !/^\p{Lu}/u.test(lastWord))) part = words.slice(0, -1).join(" ");
    else
      return part.replace(/[,.\-'’]+$/u, (end) =>
        /\p{L}\.$/u.test(part) && end === "." && lastWord.length <= 3 ? end : "",
      );
  }
}
