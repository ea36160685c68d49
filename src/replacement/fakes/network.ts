/** E-mail and web addresses. Invented ones end in domains reserved for examples (RFC 2606): they can reach nobody. */

import type { KeyedRandom } from "../keyed-random.ts";
import { inCaseOf, inventLike, inventWord, otherDigits } from "../letters.ts";
import type { FakeMaker } from "./fake.ts";

/** Words and numbers replaced, punctuation kept. */
const otherWords = (text: string, random: KeyedRandom): string =>
  text.replace(/\p{L}[\p{L}\p{M}]*|\p{Nd}+/gu, (part) =>
    /^\p{Nd}/u.test(part) ? otherDigits(part, random) : inventLike(part, random),
  );

/** A domain under example.com (.net, .org) of about `length` characters; with an invented part where there is room. */
function exampleDomain(length: number, random: KeyedRandom, mustDiffer: boolean): string {
  const base = `example.${random.pick(["com", "net", "org"])}`;
  const room = length - base.length - 1;
  if (room >= 2 || mustDiffer) return `${inventWord(Math.max(3, room), random)}.${base}`;
  return base;
}

/** A comma or full stop after an address does not belong to it. */
const withoutTail =
  (maker: FakeMaker): FakeMaker =>
  (original, context) => {
    const tail = /[\s.,;:!?)\]}>'"]*$/u.exec(original)![0];
    return maker(original.slice(0, original.length - tail.length), context) + tail;
  };

/** name@domain, name (at) domain: the parts of the name keep their lengths as far as the domain leaves room. */
export const fakeEmail: FakeMaker = withoutTail((original, { random }) => {
  const sign = [...original.matchAll(/@|\s*[([{]\s*at\s*[)\]}]\s*/giu)].at(-1);
  if (sign === undefined || sign.index < 1) return otherWords(original, random);
  const room = original.length - sign.index - sign[0].length;
  const domain = exampleDomain(room, random, false);
  // A longer domain is made up for by a shorter name.
  const excess = Math.max(0, domain.length - room);
  const local = otherWords(original.slice(0, sign.index), random);
  const shortened =
    excess > 0 && local.length - excess >= 4
      ? local.slice(0, local.length - excess).replace(/[^\p{L}\p{N}]+$/u, "")
      : local;
  return inCaseOf(`${shortened}${sign[0]}${domain}`.toLowerCase(), original.replace(/\P{L}/gu, ""));
});

/** scheme://www.host:port/path?query: scheme, "www.", port and the punctuation of the path stay. */
export const fakeUrl: FakeMaker = withoutTail((original, { random }) => {
  const parts = /^([a-z][a-z0-9+.-]*:\/\/)?(www\d?\.)?([^/\s:?#]+)(:\d+)?(.*)$/isu.exec(original.trim());
  if (!parts) return otherWords(original, random);
  const [, scheme = "", www = "", host = "", port = "", path = ""] = parts;
  const domain = inCaseOf(exampleDomain(host.length, random, true), host);
  return `${scheme}${www}${/^\p{Lu}\p{Ll}/u.test(host) ? domain.toLowerCase() : domain}${port}${otherWords(path, random)}`;
});
