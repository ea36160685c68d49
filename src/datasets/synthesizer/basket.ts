/** What was sold: lines whose amounts add up to the totals, to the cent. */
import type { Random } from "../../random/random.ts";

interface SoldItem {
  readonly name: string;
  readonly code: string;
  readonly quantity: number;
  /** Cents. */
  readonly unitPrice: number;
  readonly amount: number;
}

/** Amounts in cents. */
export interface Basket {
  readonly items: readonly SoldItem[];
  /** Sum of the items' amounts. */
  readonly subtotal: number;
  /** ≥ 0; taken off the subtotal. */
  readonly discount: number;
  /** Percent. */
  readonly taxRate: number;
  readonly net: number;
  readonly tax: number;
  /** Whether the items' prices hold the tax already. */
  readonly taxIncluded: boolean;
  /** Added to reach a round total (5 cents). */
  readonly rounding: number;
  /** net + tax + rounding. */
  readonly total: number;
}

interface BasketOptions {
  readonly names: readonly string[];
  readonly count: number;
  /** Cents. */
  readonly prices: readonly [low: number, high: number];
  readonly quantities: readonly [low: number, high: number];
  readonly taxRates: readonly number[];
  readonly taxIncluded: boolean;
  readonly round: boolean;
}

export function fillBasket(random: Random, options: BasketOptions): Basket {
  const left = [...options.names];
  const items = Array.from({ length: options.count }, (): SoldItem => {
    const name = left.splice(random.int(0, left.length - 1), 1)[0] ?? random.pick(options.names);
    if (left.length === 0) left.push(...options.names);
    const [low, high] = options.prices;
    // Prices spread over their range evenly on a logarithmic scale, and like to end in 0, 5 or 9.
    const raw = low * (high / low) ** random.next();
    const unitPrice = Math.max(
      1,
      Math.round(raw / 10) * 10 +
        random.weighted([
          [0, 4],
          [-1, 2],
          [5, 2],
          [-5, 1],
        ]),
    );
    const quantity = random.chance(0.6) ? options.quantities[0] : random.int(...options.quantities);
    return { name, code: random.digits(random.pick([4, 6, 13])), quantity, unitPrice, amount: unitPrice * quantity };
  });
  const subtotal = items.reduce((sum, item) => sum + item.amount, 0);
  const discount = random.chance(0.15) ? Math.round((subtotal * random.pick([5, 10, 15])) / 100) : 0;
  const taxRate = random.pick(options.taxRates);
  const base = subtotal - discount;
  const net = options.taxIncluded ? Math.round((base * 100) / (100 + taxRate)) : base;
  const tax = options.taxIncluded ? base - net : Math.round((base * taxRate) / 100);
  const exact = net + tax;
  const total = options.round ? Math.round(exact / 5) * 5 : exact;
  return {
    items,
    subtotal,
    discount,
    taxRate,
    net,
    tax,
    taxIncluded: options.taxIncluded,
    rounding: total - exact,
    total,
  };
}
