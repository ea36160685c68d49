/** Names of persons in running text, where no label helps: words with capitals that follow each other. */
import { isCompanyLike } from "../company-words.ts";
import type { Finding } from "../entity.ts";
import { fold } from "../fold.ts";
import type { OcrPage } from "../ocr.ts";
import { paragraphFindings, paragraphsOf } from "../paragraphs.ts";
import { isNameShaped } from "../text-shapes.ts";

const word = String.raw`\p{Lu}(?:\p{Ll}|['’]\p{Lu})[\p{L}'’-]*`;
const particle = "(?:van|von|der|den|de|del|della|di|da|du|le|la|bin|binti|ter|ten|zu)";
const sequence = new RegExp(
  `(?<![\\p{L}\\d-])${word}(?:\\s+(?:${particle}\\s+){0,2}${word}){1,3}(?![\\p{L}\\d])`,
  "gu",
);

/** Capitalised in running text without being part of a name: days, months, forms of address, first words of sentences. */
const common = new Set(
  `january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday sunday
  januar februar marz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre
  enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre januari februari maart mei augustus
  the a an we you your our if on in at for with this that these please thank thanks yours dear according should there it he she they i as to from by when where
  der die das ein eine wir sie ihr ihre ihren ihrem unser unsere bitte wenn falls am im zum zur von mit fur nach bei diese dieser dieses es er ich als auf an vielen dank sehr geehrte sollte
  le la les un une nous vous votre notre si au aux en dans pour avec ce cette ces il elle merci veuillez selon monsieur madame
  el los las una usted su sus nuestro nuestra si al para con este esta gracias segun estimado
  il lo gli uno noi lei suo sua vostra nostro nostra se per con questo questa grazie secondo la ringraziamo restiamo
  de het een wij u uw ons onze als op voor met deze dit dank volgens zijn is heeft voor mocht wilt`.split(/\s+/),
);

/** A line like "Please Come Again" is no running text. */
const minWords = 12;

const german = /(?<!\p{L})(?:und|der|die|das|ist|nicht|wir|sie|ihre?n?|bitte|mit|für|von)(?!\p{L})/giu;

/**
 * Two to four capitalised words in a sentence that are no company, month or start of a sentence. In German, where every
 * noun has a capital, only right before or after words that name a person.
 */
export function namesInSentences(page: OcrPage): Finding[] {
  return paragraphsOf(page).flatMap((paragraph) => {
    const { text } = paragraph;
    if (text.split(/\s+/).length < minWords) return [];
    const isGerman = (text.match(german)?.length ?? 0) > text.split(/\s+/).length / 10;
    return [...text.matchAll(sequence)].flatMap((match) => {
      let start = match.index;
      let words = match[0].split(/\s+/);
      // "The", "Wir", "Monsieur": what begins a sentence is dropped from the front.
      while (words.length > 0 && common.has(fold(words[0]!))) {
        start += words[0]!.length + 1;
        words = words.slice(1);
      }
      const value = words.join(" ");
      if (words.length < 2 || words.some((w) => common.has(fold(w)) && /^\p{Lu}/u.test(w))) return [];
      if (!isNameShaped(value) || isCompanyLike(value)) return [];
      if (isGerman && !besidePerson(text, start, start + value.length)) return [];
      return paragraphFindings(paragraph, [start, start + value.length], {
        type: "person",
        score: 0.6,
        reason: "capitals in a sentence",
      });
    });
  });
}

const beforePerson =
  /(?:ist|durch|von|an|herrn?|frau|dr\.|prof\.|ansprechpartner(?:in)?|kolleg(?:e|en|in)|haben|[.!?])\s+$/iu;
const afterPerson = /^\s*,?\s*(?:wird|hat|ist|kommt|steht|erreichbar|die sie|der sie|zu erreichen|besucht)/iu;
const besidePerson = (text: string, start: number, end: number): boolean =>
  beforePerson.test(text.slice(0, start)) || start === 0
    ? afterPerson.test(text.slice(end)) || /(?:ist|herrn?|frau|dr\.)\s+$/iu.test(text.slice(0, start))
    : false;
