/** The lines above addresses: names of companies or of persons. */
import { addressScore, weakAddress } from "../address-shapes.ts";
import { isCompanyLike } from "../company-words.ts";
import type { Located } from "../labels.ts";
import type { OcrPage } from "../ocr.ts";
import { isCaption, isNameShaped } from "../text-shapes.ts";
import { findParties, isCareOf } from "../zones.ts";
import { splitParts, withoutLabel } from "./party-parts.ts";

export interface PartyName {
  readonly value: Located;
  readonly type: "company" | "person";
  readonly score: number;
}

const title =
  /^\W*(?:mr|mrs|ms|miss|mdm|dr|prof|herrn?|frau|mme|mlle|madame|monsieur|sr|sra|señor|señora|sig|sig\.ra|dott|dhr|mevr|dato'?|datuk|tuan|puan|encik|cik)\.?\s+\p{Lu}/iu;

export function partyNames(page: OcrPage): PartyName[] {
  return findParties(page).flatMap(({ names, sender }) => {
    return names.flatMap((segment): PartyName[] => {
      if ((segment.folded.match(/\p{L}/gu)?.length ?? 0) < 3) return [];
      const values = isCareOf(segment.text)
        ? [withoutLabel(page, segment)]
        : splitParts(page, segment).map(({ value, role }) =>
            role === "company" || addressScore(value.text) < weakAddress ? value : undefined,
          );
      return values.flatMap((value) => {
        if (value === undefined || isCaption(value.text) || !/\p{L}.*\p{L}.*\p{L}/u.test(value.text)) return [];
        const company = isCompanyLike(value.text);
        const person = title.test(value.text) || (!sender && !company && isNameShaped(value.text));
        return [
          { value, type: person ? ("person" as const) : ("company" as const), score: sender || company ? 0.75 : 0.7 },
        ];
      });
    });
  });
}
