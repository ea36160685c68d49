/** Names of months and weekdays as the runtime's locale data has them. */

const languages = ["en", "de", "fr", "es", "it", "nl", "pt", "ms", "id", "sv", "da", "pl"] as const;

export interface CalendarName {
  /** 0 = January or Sunday. */
  readonly index: number;
  /** All names of the same language and length, by index. */
  readonly series: readonly string[];
}

export interface CalendarNames {
  /** Lower-case name → which one it is. */
  readonly names: ReadonlyMap<string, CalendarName>;
  /** Matches any of the names as a whole word; a source for `RegExp` with the flags i and u. */
  readonly pattern: string;
}

function collect(
  count: number,
  format: (language: string, style: "long" | "short", index: number) => string,
): CalendarNames {
  const names = new Map<string, CalendarName>();
  for (const language of languages) {
    for (const style of ["long", "short"] as const) {
      const series = Array.from({ length: count }, (_, i) => format(language, style, i).replace(/\.$/u, ""));
      series.forEach((name, index) => {
        const key = name.toLowerCase();
        if (!names.has(key)) names.set(key, { index, series });
      });
    }
  }
  const longestFirst = [...names.keys()]
    .sort((a, b) => b.length - a.length)
    .map((name) => name.replace(/[.\\[\]()]/gu, "\\$&"));
  return { names, pattern: `(?<!\\p{L})(?:${longestFirst.join("|")})(?!\\p{L})` };
}

let months: CalendarNames | undefined;
let weekdays: CalendarNames | undefined;

/** Month names of a dozen languages written in Latin letters, whole and short; English wins where two agree. */
export function monthNames(): CalendarNames {
  months ??= collect(
    12,
    (language, style, i) =>
      new Intl.DateTimeFormat(language, {
        month: style,
        day: style === "long" ? "numeric" : undefined,
        timeZone: "UTC",
      })
        .formatToParts(Date.UTC(2023, i, 15))
        .find((part) => part.type === "month")!.value,
  );
  return months;
}

/** Weekday names of the same languages. */
export function weekdayNames(): CalendarNames {
  // 1 January 2023 was a Sunday.
  weekdays ??= collect(7, (language, style, i) =>
    new Intl.DateTimeFormat(language, { weekday: style, timeZone: "UTC" }).format(Date.UTC(2023, 0, 1 + i)),
  );
  return weekdays;
}
