/** Invents the people, firms and numbers of one document, in the manner of one country. */
import type { Faker } from "@faker-js/faker";
import { faker as german } from "@faker-js/faker/locale/de";
import { faker as american } from "@faker-js/faker/locale/en";
import { faker as british } from "@faker-js/faker/locale/en_GB";
import { faker as spanish } from "@faker-js/faker/locale/es";
import { faker as french } from "@faker-js/faker/locale/fr";
import { faker as italian } from "@faker-js/faker/locale/it";
import { faker as dutch } from "@faker-js/faker/locale/nl";
import { parsePhoneNumberFromString } from "libphonenumber-js";
import { inventCard } from "../../identifiers/card.ts";
import { inventIban } from "../../identifiers/iban.ts";
import { type Draw, fill, printAs } from "../../identifiers/scheme.ts";
import { schemeNamed } from "../../identifiers/schemes.ts";
import type { Random } from "../../random/random.ts";
import type { Language } from "./languages.ts";
import { de } from "./words/de.ts";
import { en } from "./words/en.ts";
import { es } from "./words/es.ts";
import { fr } from "./words/fr.ts";
import { it } from "./words/it.ts";
import { nl } from "./words/nl.ts";
import type { Words } from "./words/words.ts";

export type Country = "US" | "GB" | "MY" | "DE" | "FR" | "ES" | "IT" | "NL";

const countriesOf: Readonly<Record<Language, readonly (readonly [Country, number])[]>> = {
  en: [
    ["US", 3],
    ["GB", 3],
    ["MY", 4],
  ],
  de: [["DE", 1]],
  fr: [["FR", 1]],
  es: [["ES", 1]],
  it: [["IT", 1]],
  nl: [["NL", 1]],
};

const fakers: Readonly<Record<Country, Faker>> = {
  US: american,
  GB: british,
  MY: american,
  DE: german,
  FR: french,
  ES: spanish,
  IT: italian,
  NL: dutch,
};

const wordsOf: Readonly<Record<Language, Words>> = { en, de, fr, es, it, nl };

const months: Readonly<Record<Language, readonly string[]>> = {
  en: [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
  ],
  de: [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
  ],
  fr: [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
  ],
  es: [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
  ],
  it: [
    "gennaio",
    "febbraio",
    "marzo",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "agosto",
    "settembre",
    "ottobre",
    "novembre",
    "dicembre",
  ],
  nl: [
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
  ],
};

const legalForms: Readonly<Record<Country, readonly string[]>> = {
  US: ["Inc.", "LLC", "Corp.", "& Co."],
  GB: ["Ltd", "Limited", "PLC", "& Sons"],
  MY: ["SDN BHD", "ENTERPRISE", "(M) SDN BHD", "TRADING"],
  DE: ["GmbH", "AG", "e.K.", "KG", "GmbH & Co. KG"],
  FR: ["SARL", "SAS", "SA", "EURL"],
  ES: ["S.L.", "S.A.", "S.L.U."],
  IT: ["S.r.l.", "S.p.A.", "S.n.c."],
  NL: ["B.V.", "N.V.", "V.O.F."],
};

const malaysian = {
  first: [
    "Siti",
    "Ahmad",
    "Mei Ling",
    "Raj",
    "Nurul",
    "Wei Jie",
    "Kavitha",
    "Hafiz",
    "Xin Yi",
    "Farah",
    "Kumar",
    "Zul",
    "Chee Keong",
    "Aisyah",
  ],
  last: ["Tan", "Lim", "Abdullah", "Wong", "Ismail", "Lee", "Rahman", "Chong", "Subramaniam", "Ng", "Hassan", "Goh"],
  streets: [
    "Harmoni",
    "Kenari",
    "Permai",
    "Cempaka",
    "Mawar",
    "Sentosa",
    "Bahagia",
    "Melati",
    "Perdana",
    "Teratai",
    "Rimba",
    "Indah",
  ],
  towns: ["Kajang", "Ampang", "Klang", "Seremban", "Muar", "Kluang", "Taiping", "Kulim", "Skudai", "Rawang"],
  states: ["Selangor", "Johor", "Perak", "Kedah", "Melaka", "Negeri Sembilan"],
  trades: [
    "MEGAH",
    "JAYA",
    "MAJU",
    "SENTRAL",
    "BINTANG",
    "UTAMA",
    "HOCK SENG",
    "KIM LEONG",
    "SRI MURNI",
    "EVER BRIGHT",
  ],
} as const;

const guests: readonly (readonly ["first" | "last" | "both" | undefined, number])[] = [
  [undefined, 7],
  ["first", 1],
  ["last", 1],
  ["both", 1],
];

const accented = {
  first: [
    "René",
    "Zoë",
    "José",
    "Noémie",
    "Jürgen",
    "André",
    "Chloé",
    "Björn",
    "Anaïs",
    "François",
    "Inés",
    "João",
    "Mónica",
    "Loïc",
    "Günter",
    "Ángel",
  ],
  last: [
    "Müller",
    "Núñez",
    "Lefèvre",
    "García",
    "Köhler",
    "Gonçalves",
    "Brontë",
    "Schäfer",
    "Béranger",
    "Peña",
    "Åberg",
    "Château",
    "Groß",
    "Simões",
    "Rodríguez",
    "D’Angiò",
  ],
} as const;

const taxSchemes: Readonly<Record<Exclude<Country, "MY">, readonly string[]>> = {
  US: ["us-ein"],
  GB: ["gb-vat"],
  DE: ["de-vat"],
  FR: ["fr-vat"],
  ES: ["es-cif", "es-cif", "es-dni"],
  IT: ["it-vat"],
  NL: ["nl-vat"],
};

/** Germany's identity cards have a number of their own, which the general patterns look like; its tax number is personal. */
const personSchemes: Readonly<Record<Country, readonly string[]>> = {
  US: ["us-ssn"],
  GB: ["gb-nino", "gb-nhs"],
  MY: ["my-kad"],
  DE: ["de-tax-id"],
  FR: ["fr-nir"],
  ES: ["es-dni", "es-nie"],
  IT: ["it-fiscal-code"],
  NL: ["nl-bsn"],
};

export interface CalendarDate {
  readonly year: number;
  /** 1…12. */
  readonly month: number;
  readonly day: number;
}

export interface Person {
  readonly first: string;
  readonly last: string;
  readonly full: string;
}

export interface Place {
  /** Street line, town line, as they stand on an envelope. */
  readonly lines: readonly string[];
  readonly street: string;
  /** Postcode and town. */
  readonly townLine: string;
  readonly town: string;
}

/** How this document writes dates, money and phone numbers. */
interface Habits {
  readonly date: (date: CalendarDate) => string;
  readonly money: (cents: number) => string;
  readonly currency: string;
  readonly phone: "national" | "international" | "dots" | "dashes" | "slash";
}

export class Inventor {
  readonly language: Language;
  readonly country: Country;
  readonly words: Words;
  /** "€", "RM"; and whether it stands before the amount. */
  readonly currency: string;
  readonly currencyFirst: boolean;
  readonly #random: Random;
  readonly #faker: Faker;
  readonly #habits: Habits;

  constructor(random: Random, language: Language) {
    this.#random = random;
    this.language = language;
    this.country = random.weighted(countriesOf[language]);
    this.words = wordsOf[language];
    const shared = fakers[this.country];
    // An instance of its own: the package's ready-made ones are shared by everybody in the process.
    this.#faker = new (shared.constructor as typeof Faker)({ locale: shared.rawDefinitions, seed: random.uint32() });
    this.#habits = chooseHabits(random, this.country, language);
    this.currency = this.#habits.currency;
    this.currencyFirst = ["US", "GB", "MY"].includes(this.country);
  }

  person(): Person {
    const random = this.#random;
    if (this.country === "MY") {
      const first = random.pick(malaysian.first);
      const last = random.pick(malaysian.last);
      return { first, last, full: random.chance(0.5) ? `${last} ${first}` : `${first} ${last}` };
    }
    // Where the language has few accents of its own, some people bring them along.
    const guest = ["en", "nl", "it"].includes(this.language) ? random.weighted(guests) : undefined;
    const first = guest === "first" || guest === "both" ? random.pick(accented.first) : this.#faker.person.firstName();
    const last = guest === "last" || guest === "both" ? random.pick(accented.last) : this.#faker.person.lastName();
    return { first, last, full: `${first} ${last}` };
  }

  /** The name of a shop: short, with its trade. */
  shop(): string {
    const random = this.#random;
    const trade = random.pick(this.words.receipt.shops);
    const owner = this.#faker.person.lastName();
    if (this.country === "MY")
      return `${random.pick(malaysian.trades)} ${trade} ${random.pick(legalForms.MY)}`.toUpperCase();
    const english = this.language === "en";
    const name = random.weighted([
      [english ? `${owner} ${trade}` : `${trade} ${owner}`, 5],
      [english ? `The ${owner} ${trade}` : `${trade} ${this.#faker.location.city()}`, 2],
      [`${owner} & ${this.#faker.person.lastName()}`, 1],
    ]);
    return random.chance(0.45) ? `${name} ${random.pick(legalForms[this.country])}` : name;
  }

  company(): string {
    const random = this.#random;
    if (this.country === "MY")
      return `${random.pick(malaysian.trades)} ${this.#faker.person.lastName()} ${random.pick(legalForms.MY)}`.toUpperCase();
    const a = this.#faker.person.lastName();
    const b = this.#faker.person.lastName();
    const form = random.pick(legalForms[this.country]);
    return random.weighted([
      [`${a} ${form}`, 3],
      [`${a} & ${b} ${form}`, 2],
      [`${a}-${b} ${form}`, 1],
      [`${random.pick(this.words.receipt.shops)} ${a} ${form}`, 2],
    ]);
  }

  place(): Place {
    const random = this.#random;
    const faker = this.#faker;
    if (this.country === "MY") {
      const name = (): string => random.pick(malaysian.streets);
      const street = `No. ${random.int(1, 180)}${random.chance(0.3) ? random.pick(["A", "B", "-G", "-1"]) : ""}, Jalan ${name()} ${random.int(1, 12)}/${random.int(1, 30)}${random.chance(0.2) ? "A" : ""},`;
      const area = `${random.pick(["Taman", "Bandar", "Kampung"])} ${name()},`;
      const town = random.pick(malaysian.towns);
      const townLine = `${random.int(10000, 89999)} ${town}, ${random.pick(malaysian.states)}.`;
      return { lines: [street, area, townLine], street: `${street} ${area.slice(0, -1)}`, townLine, town };
    }
    const street = faker.location.streetAddress();
    const town = faker.location.city();
    const zip = faker.location.zipCode();
    const townLine =
      this.country === "US"
        ? `${town}, ${faker.location.state({ abbreviated: true })} ${zip}`
        : this.country === "GB"
          ? `${town} ${zip}`
          : this.country === "IT"
            ? `${zip} ${town} (${town.slice(0, 2).toUpperCase()})`
            : `${zip} ${town}`;
    const lines = [street, townLine];
    if (random.chance(0.12)) lines.splice(1, 0, faker.location.secondaryAddress());
    return { lines, street, townLine, town };
  }

  phone(): string {
    const number = this.#phoneNumber();
    switch (this.#habits.phone) {
      case "international":
        return number.formatInternational();
      case "dots":
        return number.formatNational().replace(/[\s/-]+/g, ".");
      case "dashes":
        return number.formatNational().replace(/[\s/]+/g, "-");
      case "slash":
        return number.formatNational().replace(/[\s-]+/, "/");
      default:
        return number.formatNational();
    }
  }

  #phoneNumber(): NonNullable<ReturnType<typeof parsePhoneNumberFromString>> {
    const fallback = {
      US: "+12025550143",
      GB: "+442079460321",
      MY: "+60377123456",
      DE: "+493023125014",
      FR: "+33199001234",
      ES: "+34911234567",
      IT: "+390612345678",
      NL: "+31201234567",
    };
    for (let attempt = 0; attempt < 40; attempt++) {
      const text =
        this.country === "MY"
          ? `+603${this.#random.int(2, 9)}${this.#random.digits(7)}`
          : this.#faker.phone.number({ style: "international" });
      const number = parsePhoneNumberFromString(text);
      if (number?.isValid() && number.country === this.country) return number;
    }
    return parsePhoneNumberFromString(fallback[this.country])!;
  }

  email(owner: Person | string): string {
    const random = this.#random;
    if (typeof owner === "string")
      return `${random.pick(["info", "office", "mail", "contact", "sales"])}@${this.domain(owner)}`;
    const [first, last] = [slug(owner.first), slug(owner.last)];
    const local = random.weighted([
      [`${first}.${last}`, 4],
      [`${first[0]}.${last}`, 2],
      [`${last}${random.int(1, 99)}`, 1],
      [`${first}_${last}`, 1],
    ]);
    return `${local}@${random.pick(["mailbox.example", "post.example.org", "example.com", "web.example.net"])}`;
  }

  domain(company: string): string {
    const endings: Record<Country, string> = {
      US: "com",
      GB: "co.uk",
      MY: "com.my",
      DE: "de",
      FR: "fr",
      ES: "es",
      IT: "it",
      NL: "nl",
    };
    const legal = new Set([
      "gmbh",
      "ag",
      "kg",
      "ek",
      "co",
      "sarl",
      "sas",
      "sa",
      "eurl",
      "sl",
      "slu",
      "srl",
      "spa",
      "snc",
      "bv",
      "nv",
      "vof",
      "ltd",
      "limited",
      "plc",
      "inc",
      "llc",
      "corp",
      "sdn",
      "bhd",
      "m",
      "the",
    ]);
    const name = company
      .split(/[\s&.()]+/)
      .map(slug)
      .filter((part) => part !== "" && !legal.has(part))
      .slice(0, 2)
      .join("-");
    return `${name || "company"}.${endings[this.country]}`;
  }

  url(company: string): string {
    return `${this.#random.weighted([
      ["www.", 5],
      ["https://www.", 1],
      ["http://", 0.6],
      ["", 0.6],
    ])}${this.domain(company)}`;
  }

  /** A valid IBAN in groups of four, or without spaces. */
  iban(): string {
    const country = this.country === "US" ? "GB" : this.country === "MY" ? "DE" : this.country;
    const number = inventIban(country, this.#draw);
    return this.#random.chance(0.85) ? number.replace(/(.{4})(?=.)/g, "$1 ") : number;
  }

  bic(): string {
    return this.#faker.finance.bic();
  }

  /** A valid card number in groups of four, with dashes or without any. */
  card(): string {
    return inventCard(this.#draw).replace(
      /(.{4})(?=.)/g,
      `$1${this.#random.weighted([
        [" ", 6],
        ["-", 2],
        ["", 1],
      ])}`,
    );
  }

  /** A company's tax number of the country, with right check digits where it has them, as it is printed there. */
  taxId(): string {
    // Malaysian tax numbers have no public rule.
    return this.country === "MY" ? fill("000#########", this.#draw) : this.#identifier(taxSchemes[this.country]);
  }

  /** A number of a person's document or file: the country's own, or letters and digits. */
  idNumber(): string {
    return this.#random.chance(0.4)
      ? this.#identifier(personSchemes[this.country])
      : fill(
          this.#random.weighted([
            ["@@#######", 3],
            ["@########", 3],
            ["######-##-####", 1],
            ["@##@@###@#", 2],
          ]),
          this.#draw,
        );
  }

  #identifier(names: readonly string[]): string {
    const scheme = schemeNamed(this.#random.pick(names));
    const number = scheme.invent(this.#draw);
    const fitting = scheme.layouts.filter((layout) => layout.split("X").length - 1 === number.length);
    return fitting.length === 0 ? number : printAs(number, this.#random.pick(fitting));
  }

  readonly #draw: Draw = (limit) => this.#random.below(limit);

  date(firstYear = 2012, lastYear = 2025): CalendarDate {
    return {
      year: this.#random.int(firstYear, lastYear),
      month: this.#random.int(1, 12),
      day: this.#random.int(1, 28),
    };
  }

  /** As this document writes dates. */
  dateText(date: CalendarDate): string {
    return this.#habits.date(date);
  }

  /** An amount of `cents` without a currency, as this document writes amounts. */
  money(cents: number): string {
    return this.#habits.money(cents);
  }

  price(cents: number): string {
    return this.currencyFirst
      ? `${this.currency}${this.currency.length > 1 ? " " : ""}${this.money(cents)}`
      : `${this.money(cents)} ${this.currency}`;
  }
}

const slug = (text: string): string =>
  text
    .replaceAll("ß", "ss")
    .normalize("NFD")
    .replace(/[^A-Za-z0-9]/g, "")
    .toLowerCase();

function chooseHabits(random: Random, country: Country, language: Language): Habits {
  const english = language === "en";
  const two = (value: number): string => String(value).padStart(2, "0");
  const separator = random.weighted<string>(
    country === "DE"
      ? [
          [".", 8],
          ["/", 0.5],
        ]
      : country === "NL"
        ? [
            ["-", 5],
            ["/", 1],
          ]
        : english
          ? [
              ["/", 6],
              ["-", 3],
              [".", 1],
            ]
          : [
              ["/", 6],
              ["-", 1],
              [".", 1],
            ],
  );
  const order = country === "US" ? "mdy" : "dmy";
  const style = random.weighted([
    ["numeric", 6],
    ["short year", 1.5],
    ["iso", 1],
    ["month name", english ? 2 : 1.5],
  ]);
  const date = ({ year, month, day }: CalendarDate): string => {
    if (style === "iso") return `${year}-${two(month)}-${two(day)}`;
    if (style === "month name") {
      const name = months[language][month - 1]!;
      if (country === "US") return `${name} ${day}, ${year}`;
      if (english) return `${two(day)} ${name.slice(0, 3).toUpperCase()} ${year}`;
      if (language === "de") return `${day}. ${name} ${year}`;
      return language === "es" ? `${day} de ${name} de ${year}` : `${day} ${name} ${year}`;
    }
    const y = style === "short year" ? two(year % 100) : String(year);
    return (order === "mdy" ? [two(month), two(day), y] : [two(day), two(month), y]).join(separator);
  };
  const [point, thousands] = english ? [".", ","] : country === "FR" ? [",", " "] : [",", "."];
  const money = (cents: number): string => {
    const sign = cents < 0 ? "-" : "";
    const whole = String(Math.floor(Math.abs(cents) / 100)).replace(/\B(?=(\d{3})+$)/g, thousands);
    return `${sign}${whole}${point}${two(Math.abs(cents) % 100)}`;
  };
  const currency =
    country === "US" ? "$" : country === "GB" ? "£" : country === "MY" ? "RM" : random.pick(["€", "EUR"]);
  const phone = random.weighted<Habits["phone"]>([
    ["national", 5],
    ["international", 3],
    ["dots", 1],
    ["dashes", 2],
    ["slash", country === "DE" ? 2 : 0.2],
  ]);
  return { date, money, currency, phone };
}
