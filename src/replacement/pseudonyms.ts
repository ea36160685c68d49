/**
 * Invents a value for every entity. Everything follows from a secret key and the value itself, so that one person has
 * one invented name on every page and in every run with that key, and runs with different keys can't be linked.
 */
import { createRequire } from "node:module";
import type { Faker } from "@faker-js/faker";
import type { Entity, EntityType } from "../detection/entity.ts";
import { codedError } from "../errors.ts";
import { createPacer, type Pacer } from "../pacer.ts";
import { fakeAddress } from "./fakes/address.ts";
import { fakeCard } from "./fakes/card.ts";
import { fakeCompany } from "./fakes/company.ts";
import { drawShift, moveDate, plausibleDigits, readsDayFirst } from "./fakes/date.ts";
import type { FakeMaker } from "./fakes/fake.ts";
import { fakeIban } from "./fakes/iban.ts";
import { fakeIdentifier, fakeTaxId } from "./fakes/identifier.ts";
import { fakeLicencePlate } from "./fakes/licence-plate.ts";
import { fakeEmail, fakeUrl } from "./fakes/network.ts";
import { fakePerson } from "./fakes/person.ts";
import { fakePhone } from "./fakes/phone.ts";
import { type KeyedRandom, keyedRandom } from "./keyed-random.ts";
import { type LeakPattern, leakPattern, reveals } from "./leak-pattern.ts";
import { inCaseOf, inventWord, otherCharacters } from "./letters.ts";
import { normaliseValue, plain } from "./normalise.ts";
import type { FakeOwners } from "./owners.ts";
import type { Replacement } from "./replacement.ts";
import { isTitle, isTrade, saysNothing } from "./vocabulary.ts";

export interface PseudonymizerOptions {
  /** The secret. A string counts as its UTF-8 bytes. Whoever has it can test guesses of originals: keep it. */
  readonly key: string | Uint8Array;
  /** Whose names are invented: a locale of faker, "en" (default), "de", "fr", "pt_BR". */
  readonly locale?: string;
}

export interface PseudonymContext {
  /** The text of every page: no invented value may occur in it, and it tells how dates are to be read. */
  readonly pageTexts: readonly string[];
  readonly signal?: AbortSignal;
  /** Who has which invented value in other documents: none of them is given to somebody else. */
  readonly owners?: FakeOwners;
}

export interface Pseudonymizer {
  /**
   * One replacement per entity, in their order. No invented value equals or nearly equals (≥ 80 %) an original of the
   * document, nor do two different originals get the same one. Entities of one value get the same one, each in the
   * format of its original. Dates all move by the same interval under one key; an invented date is unlike its own
   * original, but may be or resemble another date of the document.
   * Rejects with ERR_PSEUDONYM_EXHAUSTED when nothing fits; ERR_ABORTED.
   */
  replace(entities: readonly Entity[], context: PseudonymContext): Promise<Replacement[]>;
}

const makers: Readonly<Record<Exclude<EntityType, "date" | "birth_date">, FakeMaker>> = {
  person: fakePerson,
  company: fakeCompany,
  address: fakeAddress,
  phone: fakePhone,
  email: fakeEmail,
  url: fakeUrl,
  iban: fakeIban,
  card: fakeCard,
  tax_id: fakeTaxId,
  id_number: fakeIdentifier,
  licence_plate: fakeLicencePlate,
};

const attempts = 400;
/** From this attempt on words like "street" no longer have to stay. */
const effortFrom = 60;
/** From this attempt on the length may differ by more than a quarter. */
const anyLengthFrom = 200;
/** Invented values shorter than this are not searched for in the page's text: they would turn up by chance. */
const shortestSearched = 5;
/** Of values shorter than this there are too few for everyone to have his own. */
const shortestOwned = 6;

const require = createRequire(import.meta.url);

/** Throws ERR_INVALID_ARGUMENT for an empty key or an unknown locale. */
export function createPseudonymizer({ key, locale = "en" }: PseudonymizerOptions): Pseudonymizer {
  const secret = typeof key === "string" ? new TextEncoder().encode(key) : Uint8Array.from(key);
  if (secret.length === 0) throw codedError("ERR_INVALID_ARGUMENT", "The pseudonym key is empty");
  const names = createNames(locale);
  return {
    async replace(entities, context) {
      const pacer = createPacer(context.signal);
      const state: DocumentState = {
        secret,
        names,
        originals: new Map(
          entities
            .filter((entity) => !isBareForm(entity))
            .map((entity) => [plain(entity.text), leakPattern(plain(entity.text))]),
        ),
        pageText: context.pageTexts.map(plain).join("\n"),
        owners: new Map(),
        others: context.owners,
      };
      const groups = groupByValue(entities);
      const fakes = new Map<Entity, string>();
      await inventDates(groups, context.pageTexts, locale, state, fakes, pacer);
      for (const group of groups) if (group.type !== "date") await inventGroup(group, state, fakes, pacer);
      return entities.map((entity) => ({ entity, fake: fakes.get(entity)! }));
    },
  };
}

/** A generator of its own, so that neither the application's faker nor ours disturbs the other. */
function createNames(locale: string): Faker {
  if (!/^[a-z]{2}(_[A-Za-z]{2,5})*$/.test(locale))
    throw codedError("ERR_INVALID_ARGUMENT", `"${locale}" is not a locale such as en or pt_BR`);
  try {
    const { faker } = require(`@faker-js/faker/locale/${locale}`) as { faker: Faker };
    const Generator = faker.constructor as new (options: { locale: unknown }) => Faker;
    return new Generator({ locale: faker.rawDefinitions });
  } catch (cause) {
    throw codedError("ERR_INVALID_ARGUMENT", `There are no names for the locale "${locale}"`, { cause });
  }
}

interface DocumentState {
  readonly secret: Uint8Array;
  readonly names: Faker;
  /** By `plain` text of the entity. */
  readonly originals: ReadonlyMap<string, LeakPattern>;
  readonly pageText: string;
  /** `plain` fake → the group it belongs to. */
  readonly owners: Map<string, Group>;
  /** Of other documents. */
  readonly others: FakeOwners | undefined;
}

interface Group {
  readonly type: EntityType;
  readonly value: string;
  readonly entities: Entity[];
}

function groupByValue(entities: readonly Entity[]): Group[] {
  const groups = new Map<string, Group>();
  for (const entity of entities) {
    const value = normaliseValue(entity.type, entity.text);
    // A date of birth moves with the other dates, and is one of them where it stands without its label.
    const type = entity.type === "birth_date" ? "date" : entity.type;
    const id = `${type}\0${value}`;
    const group = groups.get(id) ?? { type, value, entities: [] };
    group.entities.push(entity);
    groups.set(id, group);
  }
  return [...groups.values()];
}

/** Whether a fake may stand for the originals of its group: unlike every original, nobody else's, not on the page. */
function acceptable(fake: string, group: Group, state: DocumentState): boolean {
  const text = plain(fake);
  if (text === "" || text === plain(group.entities[0]!.text)) return false;
  for (const original of state.originals.values()) if (reveals(text, original)) return false;
  if (text.length >= shortestSearched && state.pageText.includes(text)) return false;
  const owner = state.owners.get(text);
  if (owner !== undefined && owner !== group) return false;
  return sharesNobody(group.type, fake) || !state.others?.isTaken(text, idOf(group));
}

function record(
  group: Group,
  chosen: ReadonlyMap<Entity, string>,
  state: DocumentState,
  fakes: Map<Entity, string>,
): void {
  for (const [entity, fake] of chosen) {
    state.owners.set(plain(fake), group);
    if (!sharesNobody(group.type, fake)) state.others?.claim(plain(fake), idOf(group));
    fakes.set(entity, fake);
  }
}

/** Equal for texts that are the same value. */
export const ownerOf = (type: EntityType, original: string): string => `${type}\0${normaliseValue(type, original)}`;

const idOf = (group: Group): string => `${group.type}\0${group.value}`;

/**
 * Whether two originals of different documents may have this invented value: a date, which moves with all others; what
 * is so short that there are not enough of it; what names nobody ("Trading Ltd").
 */
export const sharesNobody = (type: EntityType, fake: string): boolean =>
  type === "date" || plain(fake).length < shortestOwned || namesNobody(type, fake);

const namesNobody = (type: EntityType, text: string): boolean =>
  type === "company"
    ? text.split(/[\s.,()]+/u).every((word) => isTrade(word) || saysNothing(word))
    : isBareForm({ type, text });

async function inventGroup(
  group: Group,
  state: DocumentState,
  fakes: Map<Entity, string>,
  pacer: Pacer,
): Promise<void> {
  const maker = makers[group.type as Exclude<EntityType, "date" | "birth_date">];
  const model = clearestForm(group);
  for (let attempt = 0; attempt < attempts; attempt++) {
    await pacer.pause();
    const effort = attempt < effortFrom ? 0 : 1;
    // The counter enters only when a value is drawn again, so that the first choice depends on key and value alone.
    const make = (original: string): string => {
      const parts = attempt === 0 ? [group.type, group.value] : [group.type, group.value, String(attempt)];
      const fake = maker(original, { random: keyedRandom(state.secret, ...parts), names: state.names, effort });
      return effort === 1 && !differs(fake, original) ? anyFake(original, keyedRandom(state.secret, ...parts)) : fake;
    };
    const chosen = new Map(group.entities.map((entity) => [entity, formatted(entity.text, model, make)]));
    const fits = [...chosen].every(
      ([entity, fake]) =>
        acceptable(fake, group, state) && (attempt >= anyLengthFrom || isOfLikeLength(fake, entity.text)),
    );
    if (fits) {
      record(group, chosen, state, fakes);
      return;
    }
  }
  throw exhausted(group);
}

/** "SDN BHD" or "JALAN" alone on a line: part of a value, but nothing that must not appear in other values. */
const isBareForm = ({ type, text }: Pick<Entity, "type" | "text">): boolean =>
  (type === "company" || type === "address") && saysNothing(text);

const differs = (fake: string, original: string): boolean => plain(fake) !== "" && plain(fake) !== plain(original);

/** For a text that does not look like its type at all (a phone number without digits): any other characters. */
function anyFake(original: string, random: KeyedRandom): string {
  const fake = otherCharacters(original, random);
  return plain(fake) === "" ? inventWord(Math.max(1, original.trim().length), random) : fake;
}

const isOfLikeLength = (fake: string, original: string): boolean =>
  Math.abs(fake.length - original.length) <= Math.max(2, original.length * 0.25);

/** Where readings of one value differ, the one with most words shows best what it is. Titles do not count. */
function clearestForm({ type, entities }: Group): string {
  const words = (text: string): string[] =>
    text.split(/\s+/u).filter((w) => w !== "" && !(type === "person" && isTitle(w)));
  return entities
    .map((entity) => words(entity.text))
    .sort((a, b) => b.length - a.length || (a.join() < b.join() ? -1 : 1))[0]!
    .join(" ");
}

/** The fake in the format of `original`. Names lose their spaces only where reading lost those of the original. */
function formatted(original: string, model: string, make: (text: string) => string): string {
  const fake = make(original);
  if (/\s/u.test(original.trim()) || !/\s/u.test(model.trim()) || /\p{Nd}/u.test(original)) return fake;
  return inCaseOf(make(model).replace(/\s+/gu, ""), original);
}

/** All dates move by the one shift of the key, whatever else stands in the document. */
async function inventDates(
  groups: readonly Group[],
  pageTexts: readonly string[],
  locale: string,
  state: DocumentState,
  fakes: Map<Entity, string>,
  pacer: Pacer,
): Promise<void> {
  const dates = groups.filter((group) => group.type === "date");
  if (dates.length === 0) return;
  const dayFirst =
    readsDayFirst([...dates.flatMap((g) => g.entities.map((e) => e.text)), ...pageTexts]) ?? !/^en_US$/.test(locale);
  const shift = drawShift(keyedRandom(state.secret, "date", "shift"));
  for (const group of dates) {
    const chosen = new Map<Entity, string>();
    for (const entity of group.entities) {
      await pacer.pause();
      const moved = moveDate(entity.text, dayFirst, shift);
      chosen.set(entity, moved ?? (await inventGarbled(entity.text, group, state, pacer)));
    }
    record(group, chosen, state, fakes);
  }
}

/** For what was found as a date and can't be read as one. */
async function inventGarbled(original: string, group: Group, state: DocumentState, pacer: Pacer): Promise<string> {
  let different: string | undefined;
  for (let attempt = 0; attempt < attempts; attempt++) {
    await pacer.pause();
    const random = keyedRandom(state.secret, "date", group.value, String(attempt));
    const fake = /\p{Nd}/u.test(original) ? plausibleDigits(original, random) : anyFake(original, random);
    if (acceptable(fake, group, state)) return fake;
    if (differs(fake, original)) different ??= fake;
  }
  if (different === undefined) throw exhausted(group);
  return different;
}

const exhausted = (group: Group): Error =>
  codedError(
    "ERR_PSEUDONYM_EXHAUSTED",
    `No invented ${group.type} was found for ${group.entities[0]!.id} in ${attempts} attempts`,
    {
      details: { type: group.type, entity: group.entities[0]!.id },
    },
  );
