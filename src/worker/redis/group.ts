/**
 * The consumer group on the server: reading new messages, and sweeping up those that are to be delivered again.
 *
 * Invariants:
 * - A read waits for new messages until the next sweep at the latest. A sweep does not wait.
 * - A message with a key is given out only after the server has admitted it to the front of its lane. If one of the
 *   lane was nacked while the answer was on its way, the server is asked again. The worker does not know of that nack,
 *   and must not get a message behind it.
 * - Reading comes before making the group: a server whose memory is full refuses to make one, and yet can be drained.
 */
import { monotonic } from "../../internal/runtime.ts";
import type { Connection } from "./client.ts";
import { explained, hasCode } from "./errors.ts";
import { compareEntries, entriesOf, toDelivery } from "./message.ts";
import { ADMIT, CREATE, SWEEP } from "./scripts.ts";
import type { RedisDelivery } from "./types.ts";
import type { Unsettled } from "./unsettled.ts";

export interface ConsumerGroupOptions {
  /** The stream, the delayed set, the lanes, the receipts: see scripts.ts. */
  readonly keys: readonly [string, string, string, string];
  readonly group: string;
  readonly consumer: string;
  readonly lease: number;
  /** The field with the body. */
  readonly body: string | undefined;
  /** The field with the key. */
  readonly key: string | undefined;
  /** The field with the key if all consumers share the lanes; "" if each orders by itself. */
  readonly laneField: string;
  readonly unsettled: Unsettled;
}

/** The longest time between two sweeps, in ms: no read lasts longer. With a short lease it is shorter. */
const SWEEP_INTERVAL = 1_000;
/** Time until the next sweep if the server has not examined all pending messages in this one, in ms. */
const SWEEP_ON = 20;

export class ConsumerGroup {
  private readonly options: ConsumerGroupOptions;
  private delivered = 0;
  /**
   * When to sweep next, on the monotonic clock. It is Infinity while a sweep is under way, unless a message becomes
   * due.
   */
  private sweepAt = 0;
  /** The place in the pending messages at which the next sweep goes on. */
  private cursor = "0-0";

  constructor(options: ConsumerGroupOptions) {
    this.options = options;
  }

  /** A message becomes due at this time, on the monotonic clock. */
  dueAt(at: number): void {
    this.sweepAt = Math.min(this.sweepAt, at);
  }

  /** The ms that the next request may block; 0 if it is a sweep. `left`: the ms until its pull must return. */
  blockFor(left: number): number {
    const untilSweep = this.sweepAt - monotonic();
    return untilSweep <= 0 ? 0 : Math.max(1, Math.ceil(Math.min(untilSweep, left)));
  }

  /**
   * Requests messages: new ones, for which it blocks, or by a sweep if `block` is 0. Makes the group if it does not
   * exist.
   */
  async request(connection: Connection, max: number, block: number): Promise<readonly RedisDelivery[]> {
    try {
      return await (block === 0 ? this.sweep(connection, max) : this.read(connection, max, block));
    } catch (error) {
      if (!hasCode(error, "NOGROUP")) throw error;
      // It does not exist yet, or the stream was deleted.
      await this.create(connection);
      return [];
    }
  }

  private async create({ request }: Connection): Promise<void> {
    const { keys, group } = this.options;
    try {
      await request(0, "EVAL", CREATE, "3", ...keys.slice(0, 3), group);
    } catch (error) {
      if (hasCode(error, "BUSYGROUP")) return;
      throw explained(`the group ${group} of the stream ${keys[0]} cannot be made`, error);
    }
  }

  private async read(connection: Connection, max: number, block: number): Promise<readonly RedisDelivery[]> {
    const { keys, group, consumer, laneField, unsettled } = this.options;
    unsettled.nackedLanes.clear();
    const how = ["COUNT", String(max), "BLOCK", String(block), "STREAMS", keys[0], ">"];
    const reply = await connection.request(block, "XREADGROUP", "GROUP", group, consumer, ...how);
    const got = entriesOf(reply).map(([entry, fields]) => this.deliveryOf(entry, fields, 1));
    return this.admitted(connection, got, laneField === "" ? [] : got.filter(({ key }) => key !== undefined));
  }

  private async sweep(connection: Connection, max: number): Promise<readonly RedisDelivery[]> {
    const { lease, unsettled } = this.options;
    unsettled.nackedLanes.clear();
    this.sweepAt = Infinity;
    let reply: unknown;
    try {
      const how = [String(lease), String(max), this.cursor];
      reply = await connection.request(0, ...this.script(SWEEP, how));
    } catch (error) {
      this.sweepAt = 0;
      throw error;
    }
    const [cursor, soonest, entries] = reply as readonly [
      string,
      unknown,
      readonly (readonly [string, string[], unknown, string])[],
    ];
    this.cursor = cursor;
    const now = monotonic();
    // If there was something, there may be more.
    const next = entries.length > 0 ? 0 : cursor === "0-0" ? Math.min(SWEEP_INTERVAL, lease / 4) : SWEEP_ON;
    // A client may be configured to convert numbers to texts.
    const due = Number(soonest);
    this.dueAt(now + next);
    if (due >= 0) this.dueAt(now + due);
    const got = entries.map(([entry, fields, count, lane]) => {
      const delivery = this.deliveryOf(entry, fields, Number(count));
      if (lane) unsettled.lanes.set(delivery, lane);
      return delivery;
    });
    return this.admitted(connection, got, []);
  }

  private deliveryOf(entry: string, fields: readonly string[], attempt: number): RedisDelivery {
    const { body, key } = this.options;
    return toDelivery(`${entry}.${++this.delivered}`, entry, fields, attempt, body, key);
  }

  /**
   * Filters out the messages that the server parks. It decides on `undecided`, and on those of a lane of which one was
   * nacked while a request was under way.
   */
  private async admitted(
    connection: Connection,
    got: readonly RedisDelivery[],
    undecided: readonly RedisDelivery[],
  ): Promise<readonly RedisDelivery[]> {
    const { lanes, nackedLanes } = this.options.unsettled;
    let admitted = got;
    for (let asked = undecided; ; asked = []) {
      const again = new Set([...asked, ...admitted.filter((delivery) => nackedLanes.has(lanes.get(delivery) ?? ""))]);
      nackedLanes.clear();
      if (again.size === 0) break;
      const sorted = [...again].sort((a, b) => compareEntries(a.entry, b.entry));
      const args = this.script(
        ADMIT,
        sorted.map(({ entry }) => entry),
      );
      const hashes = (await connection.request(0, ...args)) as readonly string[];
      const parked = new Set(sorted.filter((_, i) => !hashes[i]));
      for (const [i, delivery] of sorted.entries()) if (hashes[i]) lanes.set(delivery, hashes[i]);
      admitted = admitted.filter((delivery) => !parked.has(delivery));
    }
    for (const delivery of admitted) this.options.unsettled.add(delivery);
    return admitted;
  }

  /** A call of a script that begins with the field and the ids of `ADMISSION` in scripts.ts. */
  private script(text: string, args: readonly string[]): readonly string[] {
    const { keys, group, consumer, laneField, unsettled } = this.options;
    const ids = laneField === "" ? [] : unsettled.idsInLanes();
    return ["EVAL", text, String(keys.length), ...keys, group, consumer, laneField, ids.join(" "), ...args];
  }
}
