/**
 * Profiles in the format of pprof: the message Profile of profile.proto, in protobuf's wire format.
 *
 * @see https://github.com/google/pprof/blob/main/proto/profile.proto
 */
import type { Frame } from "./stack.ts";

/** A stack, and what was measured there. */
export interface Sample {
  readonly stack: readonly Frame[];
  /** One for each type of the profile; whole numbers, 0 or more. */
  readonly values: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
}

/** A profile. `types` says what the values of its samples are, `time` is when it was made, in epoch ms. */
export function pprof(
  types: readonly (readonly [type: string, unit: string])[],
  samples: readonly Sample[],
  time: number,
): Uint8Array {
  const tables = new Tables();
  const profile = new Message();
  for (const [type, unit] of types)
    profile.message(1, new Message().int(1, tables.string(type)).int(2, tables.string(unit)));
  for (const { stack, values, labels } of samples) {
    const sample = new Message();
    sample
      .ints(
        1,
        (stack.length === 0 ? [UNKNOWN] : stack).map((frame) => tables.location(frame)),
      )
      .ints(2, values);
    for (const [key, text] of Object.entries(labels))
      sample.message(3, new Message().int(1, tables.string(key)).int(2, tables.string(text)));
    profile.message(2, sample);
  }
  for (const location of tables.locations) profile.message(4, location);
  for (const fn of tables.functions) profile.message(5, fn);
  // Last, because all that is above adds strings.
  for (const text of tables.strings.keys()) profile.string(6, text);
  return profile.int(9, time * 1e6).bytes();
}

const UNKNOWN: Frame = { fn: "(no stack was taken)", at: "" };

/** The tables of a profile. A message names an entry by its number; those of locations and functions begin at 1. */
class Tables {
  readonly strings: Map<string, number> = new Map([["", 0]]);
  readonly locations: Message[] = [];
  readonly functions: Message[] = [];
  /** The numbers of locations and functions by what they are. */
  private readonly ids: Map<string, number> = new Map();

  string(text: string): number {
    const id = this.strings.get(text) ?? this.strings.size;
    this.strings.set(text, id);
    return id;
  }

  location({ fn, at }: Frame): number {
    const [, file = at, line = "0"] = /^(.*?):(\d+)(?::\d+)?$/.exec(at) ?? [];
    return this.add(this.locations, `location ${fn} ${at}`, (location) =>
      location.message(4, new Message().int(1, this.fn(fn === "" ? file : fn, file)).int(2, Number(line))),
    );
  }

  private fn(name: string, file: string): number {
    const [nameId, fileId] = [this.string(name), this.string(file)];
    return this.add(this.functions, `function ${name} ${file}`, (fn) =>
      fn.int(2, nameId).int(3, nameId).int(4, fileId),
    );
  }

  private add(table: Message[], key: string, fill: (entry: Message) => unknown): number {
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = table.length + 1;
    this.ids.set(key, id);
    const entry = new Message().int(1, id);
    table.push(entry);
    fill(entry);
    return id;
  }
}

/** A message that grows: fields of the wire types 0 (a number) and 2 (bytes). */
class Message {
  private readonly content: number[] = [];

  /** A number; 0 is the default, and is left out. */
  int(field: number, n: number): this {
    return n === 0 ? this : this.varint(field << 3).varint(n);
  }

  ints(field: number, numbers: readonly number[]): this {
    const packed = new Message();
    for (const n of numbers) packed.varint(n);
    return this.message(field, packed);
  }

  message(field: number, { content }: Message): this {
    return this.block(field, content);
  }

  string(field: number, text: string): this {
    return this.block(field, new TextEncoder().encode(text));
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.content);
  }

  private block(field: number, content: Iterable<number> & { readonly length: number }): this {
    this.varint((field << 3) | 2).varint(content.length);
    for (const byte of content) this.content.push(byte);
    return this;
  }

  /** Seven bits in a byte, the lowest first. Division, because a shift would cut at 32 bits. */
  private varint(n: number): this {
    let rest = Math.max(0, Math.round(n));
    for (; rest > 127; rest = Math.floor(rest / 128)) this.content.push((rest % 128) | 128);
    this.content.push(rest);
    return this;
  }
}
