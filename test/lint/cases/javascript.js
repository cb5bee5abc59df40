/** JavaScript, with the parser of the linter itself: kinds come from `new`, from callbacks, and from the name ctx. */
import { Chan, context, errgroup as groups, sync, time } from "headgate";
import * as headgate from "headgate";
import { Chan as Channel, select } from "headgate/chan";
import { Chan as FromJsr } from "jsr:@headgate/headgate@^0.1.0";
import { Chan as FromNpm } from "npm:headgate@0.1.0/chan";
import { Chan as FromElsewhere, withCancel as elsewhere } from "./elsewhere.js";
import { Mutex as Facade } from "#concurrency/sync";

const { withTimeout, withCancel: derive } = context;
const { sleep } = time;
const jobs = new Chan();

export async function run(ctx) {
  await jobs.recv(); // ! ctx-not-passed missing
  await new Channel().recv(); // ! ctx-not-passed missing
  await new headgate.Chan().recv(); // ! ctx-not-passed missing
  await new FromJsr().recv(); // ! ctx-not-passed missing
  await new FromNpm().recv(); // ! ctx-not-passed missing
  await new FromElsewhere().recv();
  await sleep(5); // ! ctx-not-passed missing
  await select({ jobs }); // ! ctx-not-passed missing
  await headgate.time.sleep(5); // ! ctx-not-passed missing
  using _ = await new Facade().lock(); // ! ctx-not-passed missing
  const [first] = withTimeout(ctx, 5); // ! lost-cancel discarded
  const [second] = derive(ctx); // ! lost-cancel discarded
  const [third] = elsewhere(ctx);
  const [fourth] = headgate.context.withCancel(ctx); // ! lost-cancel discarded
  return [first, second, third, fourth];
}

/** A web framework's ctx has what no Context has. */
export async function handle(ctx) {
  ctx.body = await jobs.recv();
}

/** A ctx of which nothing says that it is headgate's may be that of any framework. */
export async function handedOn(ctx, audioCtx, next) {
  await sleep(5);
  await jobs.send(ctx);
  decode(audioCtx);
  await next(ctx);
}

export const procedure = async ({ ctx, input }) => {
  await sleep(5);
  return ctx.db.find(input);
};

export const procedureThatHandsOn = async ({ ctx }) => {
  await sleep(5);
  return decode(ctx);
};

export async function hasASignal(ctx) {
  await fetch("data:,one", { signal: ctx.signal });
  await jobs.recv(); // ! ctx-not-passed missing
}

export async function handsToAWait(ctx) {
  await jobs.send(1, ctx);
  await jobs.recv(); // ! ctx-not-passed missing
}

export async function inAnObject({ ctx }) {
  await jobs.send(1, ctx);
  await jobs.recv(); // ! ctx-not-passed missing
}

function decode(value) {
  return value;
}

export async function isNamedSo(requestCtx) {
  if (requestCtx.err() !== undefined) return;
  await jobs.recv(); // ! ctx-not-passed missing
}

export async function other(context) {
  const [ctx] = context.withCancel();
  const time = { sleep: (ms) => ms };
  return [ctx, time.sleep(5)];
}

export class Keeps {
  #ctx;
  constructor(ctx) {
    this.#ctx = ctx; // ! ctx-in-class kept
    this.mutex = new sync.Mutex();
    this.limit = ctx.deadline();
  }
}

for (const url of ["data:,one"]) {
  const [ctx] = context.withTimeout(context.background(), 5);
  await fetch(url, { signal: ctx.signal });
}

export const start = () =>
  groups.run(context.background(), async (tasks, whole) => {
    tasks.setLimit(2);
    tasks.go((mine) => jobs.send(1)); // ! floating limit, ctx-not-passed missing
    await jobs.send(1); // ! ctx-not-passed missing
    return whole;
  });
