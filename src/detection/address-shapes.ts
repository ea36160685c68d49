/** How much a piece of text looks like part of a postal address, by its own words. */
import { distance } from "fastest-levenshtein";
import { fold, mendDigits } from "./fold.ts";

const join = (words: string): string => words.trim().split(/\s+/).join("|");

/** Kinds of streets and quarters that stand as words of their own. Folded. */
const streetWords = join(`
  street str st road rd avenue ave av lane ln crescent cres terrace boulevard blvd highway hwy parkway pkwy mews turnpike
  jalan jln jl lorong lrg taman tmn bandar kampung kg persiaran psn lebuh lebuhraya lingkungan medan plaza bangunan kawasan seksyen wisma
  menara kompleks presint tingkat batu
  rue allee chemin impasse quai passage faubourg lieu-dit lieudit residence ruelle sentier rond-point
  calle avenida avda paseo camino carretera ctra ronda travesia glorieta pasaje urbanizacion urb poligono barrio rambla cuesta colonia callejon
  apartado parcela partida pedania arroyo poblado bajada costanilla
  via viale piazza piazzale corso vicolo largo strada contrada borgo localita frazione lungomare lungotevere incrocio rotonda salita
  strasse straße weg platz gasse allee ring ufer chaussee promenade
  straat laan plein gracht kade singel dijk steeg dreef
`);
const streetWord = new RegExp(`(?<![\\p{L}\\d])(?:${streetWords})(?:\\.|(?![\\p{L}]))`, "u");
/** "JIN", "JALAH", "Stret": the commonest of them with one letter misread. */
const misreadable = [
  "jalan",
  "taman",
  "bandar",
  "persiaran",
  "lorong",
  "street",
  "avenue",
  "boulevard",
  "strasse",
  "straat",
  "avenida",
  "calle",
  "piazza",
];
const isMisreadStreet = (folded: string): boolean =>
  /(?<![\p{L}\d])j[li1|]n(?![\p{L}])/u.test(folded) ||
  [...folded.matchAll(/\p{L}{5,}/gu)].some(([word]) => misreadable.some((street) => distance(word, street) === 1));

/** English kinds of streets that are everyday words too: only behind a number and a name ("12 Mill Way"). */
const looseStreet =
  /^\W*(?:no\.?\s*)?\d{1,5}[a-z]?,?\s+(?:[\p{L}'’.-]+\s+){1,4}(?:drive|dr|court|ct|close|grove|trail|alley|way|place|pl|row|walk|sq|square|park|gardens?|hill|rise|view|gate|green|cross|crossing|path|run|loop|circle|cir|point|pike|ridge|heights|meadow|brow|grange|wynd|approach|bank|fields?|wharf|quay|vale|croft|drove|paddock)(?![\p{L}])/u;

/** Endings of German and Dutch street names. "B" and "8" are what OCR makes of "ß". */
const streetEnding =
  /\p{L}{2,}(?:stra(?:ss|ß|b|8)e|str\.|weg|platz|gasse|allee|ring|ufer|damm|chaussee|steig|pfad|stieg|straat|laan|plein|gracht|kade|singel|dijk|steeg|dreef|hof|pad|markt|park|baan|berg|feld|graben|wall)(?=[\s,.]|\d|$)/u;

/** Streets that begin like a place: "Am Lindenfeld 68c", "Auf der Heide 4", "Zum Anger 12". */
const germanPlace =
  /^\W*(?:am|an|auf|im|in|zum|zur|beim|hinter|unter|vor)\s+(?:(?:der|dem|den)\s+)?\p{L}{3,}[\p{L} -]*\s\d{1,4}\s?[a-z]?\W*$/u;

const box =
  /(?<![\p{L}])(?:p\s?\.?\s?o\.?\s*box|post\s*box|postfach|postbus|casella\s+postale|apartado(?:\s+de\s+correos)?|b\.?p\.?|peti\s+surat)\s*\d{1,6}/u;

/** Parts of buildings and lots with their number. */
const unit =
  /(?<![\p{L}])(?:lot|plot|unit|site|suite|ste|apt|apartment|flat|block|blok|blk|level|floor|flr|room|bldg|building|no|nr|hs|pt|gf|lg|ug|shop|kiosk|tower|wing|section|sect|sec|etage|stock|og|eg|bat|batiment|esc|puerta|piso|planta|local|nave|int|interno|scala|piano|bus)(?![\p{L}])\s*[.:#]*\s*[\p{L}]{0,2}-?\d{1,4}(?!\d)/u;
/** "1º A", "3. OG", "2nd floor", "s/n". */
const storey =
  /^\W*\d{1,2}\s?[ºª°]\s?[a-z]?\W*$|\d(?:st|nd|rd|th)\s+floor|\d\.?\s?(?:og|stock|etage)(?![\p{L}])|(?<![\p{L}])s\/n(?![\p{L}])|(?:ground|first|second|third)\s+floor|tingkat\s+(?:bawah|\d)/u;

/** "869 Tremblay Lane", "18,JALAN", "78G, …", "No. 8 …", "NO.2-1-1 JALAN". */
const numberFirst =
  /^\W*(?:no\s*[.:]*\s*|lot\s*|#\s*|g\.)?[a-z]?-?\d{1,5}[a-z]?(?:\s*[-,&/.]\s*\d*[a-z]?)*\s*[,.]?\s*(?:(?:rue|av|bd)\b|[\p{L}'’.]{2,}(?:\s|$))/u;
/** "Hauptstr. 5", "Calle Mayor 12 bis", "Arroyo Débora 2". */
const numberLast = /\p{L}{3,}\.?,?\s+(?:n[º°.]?\s*)?\d{1,4}(?:\s?[-/]\s?\d{1,4})?\s?(?:[a-z]|bis|ter)?\W*$/u;

const postcodeTown = [
  // 41050 Klang, D-10115 Berlin, 80271 Sordio (SO), 2000-123 Lisboa
  /(?<![\d.,/-])(?:[a-z]{1,2}\s?-\s?)?\d{5}(?:-\d{3,4})?\s*[,.]?\s+(?!(?:[ap]m|rm|eur|pcs|kg)(?![\p{L}]))\p{L}{2,}/u,
  // SW1A 1AA, K1A 0B1
  /(?<![\p{L}\d])[a-z]{1,2}\d[a-z\d]?\s+\d[a-z]{2}(?![\p{L}\d])|(?<![\p{L}\d])[a-z]\d[a-z]\s?\d[a-z]\d(?![\p{L}\d])/u,
  // Wells LA71 01K: forms that look British
  /\p{L}{3,}\s+[a-z]{1,2}\d[a-z\d]?\s+\d[a-z\d]{2}\W*$/u,
  // Springfield, IL 62704
  /\p{L}{3,}\s*,?\s+[a-z]{2}\.?\s+\d{5}(?:-\d{4})?(?!\d)/u,
  // Singapore 123456
  /(?<![\p{L}])singapore\s+\d{6}(?!\d)/u,
];
/** 1012 AB Amsterdam; on the text itself: the letters are always capitals. */
const dutchPostcodeTown = /(?<!\d)[1-9]\d{3}\s?[A-Z]{2}\s+\p{L}{3,}/u;
/** Swiss, Austrian, Belgian, Swedish: also what many other lines look like, so only the whole line counts. */
const shortPostcodeTown = /^\W*(?:[a-z]{1,2}\s?-\s?)?(?:\d{4}|\d{3}\s\d{2}|\d{2}-\d{3})\s+\p{L}{3,}[\p{L} .'’/()-]*$/u;
/** Setia Alam 40170 */
const townPostcode = /\p{L}{2,}[,.]?\s+\d{5}\W*$/u;
/** 53300KL: the space is lost */
const gluedPostcodeTown = /^\W*\d{5}(?!(?:[ap]m|rm|eur|pcs|kg|ml|gm)(?![\p{L}]))\p{L}{2,}\W*$/u;

const price = /(?<!\d)\d+[.,]\d{2}(?!\d)/;

/** Names of countries in the languages spoken here; folded. */
const countries = new Set<string>();
for (const language of ["en", "de", "fr", "es", "it", "nl", "ms"]) {
  const names = new Intl.DisplayNames(language, { type: "region", fallback: "none" });
  for (const code of "AD AE AR AT AU BE BG BR BN CA CH CL CN CO CY CZ DE DK EE EG ES FI FR GB GR HK HR HU ID IE IL IN IS IT JP KR LI LT LU LV MC MT MX MY NL NO NZ PE PH PL PT RO RS RU SA SE SG SI SK SM TH TR TW UA US VN ZA".split(
    " ",
  )) {
    const name = names.of(code);
    if (name) countries.add(fold(name));
  }
}
for (const name of ["usa", "u.s.a.", "uk", "england", "scotland", "wales", "holland"]) countries.add(name);
/** States whose names close addresses on a line of their own, and that are no names of persons. */
const states = new Set(
  `selangor, johor, johor darul takzim, selangor darul ehsan, pahang, perak, perlis, kedah, kelantan, terengganu, melaka, malacca, negeri sembilan,
  pulau pinang, penang, sabah, sarawak, labuan, putrajaya, kuala lumpur, wilayah persekutuan,
  baden-wurttemberg, bayern, brandenburg, hessen, mecklenburg-vorpommern, niedersachsen, nordrhein-westfalen, rheinland-pfalz,
  saarland, sachsen, sachsen-anhalt, schleswig-holstein, thuringen`.split(/,\s+/),
);

const americanStates =
  "alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho|illinois|indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|missouri|montana|nebraska|nevada|new hampshire|new jersey|new mexico|new york|north carolina|north dakota|ohio|oklahoma|oregon|pennsylvania|rhode island|south carolina|south dakota|tennessee|texas|utah|vermont|virginia|washington|west virginia|wisconsin|wyoming";
/** "Boston, Massachusetts", and nothing else. */
const townState = new RegExp(`^\\W*\\p{L}{3,}(?:[ .]\\s?\\p{L}{2,}){0,2},\\s+(?:${americanStates})\\W*$`, "u");

/** Whether the line is the name of a country or state and nothing else. */
export function isRegion(text: string): boolean {
  const bare = fold(text)
    .replace(/[^\p{L}. -]/gu, "")
    .trim();
  return countries.has(bare) || states.has(bare.replace(/[. ]+$/, ""));
}

export const strongAddress = 0.5;
export const weakAddress = 0.2;

/** 0…1: from `strongAddress` up it is one by itself, from `weakAddress` up beside others. */
export function addressScore(text: string): number {
  const folded = fold(mendDigits(text));
  if ((folded.match(/\p{L}/gu)?.length ?? 0) < 1 || price.test(folded)) return 0;
  const hasDigit = /\d/.test(folded);
  let score = 0;
  if (postcodeTown.some((form) => form.test(folded)) || dutchPostcodeTown.test(text)) score += 0.55;
  else if (shortPostcodeTown.test(folded)) score += 0.3;
  else if (townPostcode.test(folded) || gluedPostcodeTown.test(folded)) score += 0.3;
  const street = streetWord.test(folded) || (hasDigit && isMisreadStreet(folded));
  if (street) score += hasDigit ? 0.45 : 0.3;
  else if (looseStreet.test(folded)) score += 0.35;
  else if (streetEnding.test(folded)) score += hasDigit ? 0.5 : 0.1;
  if (box.test(folded) || townState.test(folded)) score += 0.5;
  if (germanPlace.test(folded)) score += 0.4;
  if (unit.test(folded)) score += 0.2;
  if (storey.test(folded)) score += 0.3;
  if (numberFirst.test(folded)) score += 0.15;
  else if (numberLast.test(folded)) score += 0.15;
  if (/,\s*$/.test(folded)) score += 0.1;
  if (isRegion(text)) score += 0.25;
  return Math.min(1, score);
}
