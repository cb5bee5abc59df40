/** The module `@opentelemetry/api` fits the types of headgate/otel: checked by the compiler, never run. */
import type * as otel from "@opentelemetry/api";
import { instrument, instrumentSaga, type OtelApi } from "headgate/otel";
import { saga } from "headgate/saga";
import type { Delivery, Source } from "headgate/worker";

declare const api: typeof otel;

export const fits: OtelApi = api;
export const orders = instrument(api, { system: "memory", destination: "orders" });
export const spans = instrumentSaga(api);

interface OrderDelivery extends Delivery<string> {
  readonly message: { readonly total: number };
}
declare const source: Source<OrderDelivery>;
const wrapped: Source<OrderDelivery> = orders.source(source);
export const handle = orders.handler<OrderDelivery>((ctx, { message }) => ctx.err() ?? message.total);
export const options = orders.options<OrderDelivery>({ observe: (event) => event.type, concurrency: 2 });
export const pulled = wrapped.pull;
export const sent: Promise<number> = orders.publish((attributes) => Object.keys(attributes).length);

// The types of a saga go through the wrappers, without a word from its author.
export const trip = saga<{ city: string }>("trip")
  .step(
    "hotel",
    spans.step(async (_ctx, { input, key }) => ({ room: `${input.city} ${key}` })),
    spans.compensate((_ctx, { output }) => void output?.room.length),
  )
  .step(
    "flight",
    spans.step((_ctx, { done }) => done.hotel.room.length),
    spans.compensate(async (_ctx, { output, outcome }) => [output?.toFixed(), outcome]),
  );

// @ts-expect-error: the default export of a module that is not OpenTelemetry's.
instrument({ trace: {} }, { system: "memory", destination: "orders" });
// @ts-expect-error: the destination is missing.
instrument(api, { system: "memory" });
