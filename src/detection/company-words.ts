/** Words in the names of companies. */
import { fold } from "./fold.ts";

/** Legal forms that are nothing else. Matched on folded text; "8" is OCR's "B", "i" and "1" are its "l". */
const surelyLegal = String.raw`s\s?d\s?n\.?\s*[b8]\s?h\s?[do0]|bhd|pte\.?\s*ltd|pty\.?\s*ltd|(?:co\.?,?\s*)?ltd|l\.?l\.?c|l\.?l\.?p|incorporated|corporation|plc|g\s?m\s?b\s?h(?:\s*(?:&|und|u\.)\s*co\.?\s*(?:kgaa|kg|ohg)?)?|mbh|kgaa|&\s*co\.?\s*kg|ohg|e\.\s?k|s\.?\s?a\.?\s?r\.?\s?[l1]|eurl|sasu|s\.\s?a\.\s?s|s\.\s?p\.\s?a|s\.?\s?r\.\s?[li1]\.?\s?s?|srl|s\.\s?n\.\s?c|s\.\s?[li1]\.?\s?u|b\.\s?v|n\.\s?v|v\.\s?o\.\s?f|vof|oyj|aps|(?:&|und|et|y|e|en)\s*(?:co|cie|sons|sohne|fils|hijos|figli|zonen|zn|bros|brothers|associates|partners?)`;
/** Forms that may be words or weights too: only in capitals, behind a name, at the end of it. */
const maybeLegal = String.raw`inc|limited|corp|ag|kg|gbr|e\.?\s?v|sas|snc|s\.?\s?a|spa|s\.?\s?l|s\.\s?[i1]|s\.\s?c|bv|nv|cv|sdn|oy|ab|a\/s|enterprises?|trading|holdings?|industries`;
const legalForm = new RegExp(
  `(?<![\\p{L}\\d-])(?:(${surelyLegal})|(?:${maybeLegal}))(?:\\.|(?![\\p{L}\\d]))(?:\\s*\\(m\\))?`,
  "gu",
);

/** What companies and other organisations call themselves; alone no proof. */
const businessWords = new RegExp(
  `(?<![\\p{L}])(?:${`
  enterprise enterprises trading trader traders holding holdings industries industry industrial hardware restaurant restoran ristorante
  trattoria pizzeria osteria bistro cafe café caffe kopitiam kafe bakery bakeries boulangerie patisserie backerei panaderia pasteleria
  panificio supermarket supermarkt supermercado supermercato minimarket market mart store stores shop shoppe laden boutique pharmacy
  pharmacie farmacia farmacy apotheke apotheek drugstore hotel hostel motel inn pub bar grill kitchen catering food foods seafood
  services service solutions systems technologies technology tech consulting consultants consultancy group gruppe groupe grupo gruppo
  company co compagnie societe sociedad societa partners partner associates brothers bros sons sohne fils hijos figli zonen
  university universitat universite universidad universita universiteit college school schule ecole escuela scuola academy institute
  institut instituto istituto hospital klinik clinic clinique clinica ziekenhuis kliniek praxis dental medical healthcare
  bank banque banco banca insurance versicherung versicherungen assurance assurances seguros assicurazioni verzekeringen
  foundation stiftung fondation fundacion fondazione stichting verein association asociacion associazione vereniging
  club library bibliothek bibliotheque biblioteca bibliotheek verlag press motors motor auto autohaus garage garaje officina
  electric electrical electronics elettronica electronica engineering construction construcciones costruzioni bau bouw
  supplies supply stationers stationery papeterie papeleria cartoleria books bookshop buchhandlung librairie libreria boekhandel
  florist flowers blumen fleurs flores fiori bloemen optical optik optique optica optiek sports sport fashion mode moda
  syarikat perniagaan kedai pasaraya klinik farmasi perusahaan pembekal hardware gallery studio salon centre center zentrum centro
  corner outlet station petrol oil gas energy energie logistics transport express travel tours reisen voyages viajes viaggi
  werke werkstatt handel handels metzgerei fleischerei boucherie carniceria macelleria slagerij bazar spielwaren drogerie
  ministry department council authority agency agentur agence agencia agenzia office amt
`
    .trim()
    .split(/\s+/)
    .map(fold)
    .join("|")})(?![\\p{L}])`,
  "u",
);

/** Ranges of the legal forms in a text. */
export function findLegalForms(text: string): { readonly start: number; readonly end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (const match of fold(text).matchAll(legalForm)) {
    const start = match.index;
    const end = start + match[0].trimEnd().length;
    if (start < 2 || (match[1] === undefined && !standsAsLegalForm(text, start, end))) continue;
    found.push({ start, end });
  }
  return found;
}

function standsAsLegalForm(text: string, start: number, end: number): boolean {
  if (!/^\p{Lu}/u.test(text.slice(start))) return false;
  if (!/[\p{L}.)&'’"]\s*,?\s*$/u.test(text.slice(0, start))) return false;
  return /^\s*(?:$|[,;:)(|·•/"–—]|\p{Ll})/u.test(text.slice(end));
}

export const hasLegalForm = (text: string): boolean => findLegalForms(text).length > 0;

/** A legal form, a word that organisations use in their names, or "&". */
export const isCompanyLike = (text: string): boolean =>
  hasLegalForm(text) || businessWords.test(fold(text)) || /\p{L}\s?&\s?\p{L}/u.test(text);
