/** The broker in memory: it is full with 1000 messages, and it ends when all are published and settled. */
import type { Context } from "headgate";
import { type Delivery, memoryBroker } from "headgate/worker";
import type { Broker } from "./broker.ts";

export function inMemory(): Broker {
  const broker = memoryBroker<unknown>({ capacity: 1000 });
  const state = { published: 0 };
  return {
    source: broker,
    state,
    messageOf: ({ id, body }: Delivery<unknown>) => ({ id: id.split(".")[0]!, body }),
    async publish(ctx: Context, bodies: readonly unknown[]) {
      for (const body of bodies) {
        await broker.publish(body, {}, ctx);
        state.published++;
      }
      broker.end();
    },
    left: async () => broker.size,
    close: async () => {},
  };
}
