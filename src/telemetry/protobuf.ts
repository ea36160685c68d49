/**
 * The small part of the protocol-buffer wire format that event files need: a message is written as the bytes of its
 * fields (https://protobuf.dev/programming-guides/encoding). Fields of value zero are left out, as proto3 does.
 */

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Base-128 of a whole number from 0 to 2⁵³ − 1, lowest seven bits first. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

const tag = (field: number, type: number): Buffer => varint(field * 8 + type);

/** int64, uint64, bool or enum; `value` is a whole number of at least 0. */
export const uintField = (field: number, value: number): Buffer =>
  value === 0 ? Buffer.alloc(0) : Buffer.concat([tag(field, wire.varint), varint(value)]);

/** The value is written even when it is 0: for a member of a oneof. */
export function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, wire.fixed32), bytes]);
}

export function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, wire.fixed64), bytes]);
}

/** string, bytes or a message made of `parts`. */
export function bytesField(field: number, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const bytes = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  return Buffer.concat([tag(field, wire.bytes), varint(bytes.length), bytes]);
}
