/** Two copies of headgate in one tree: what one makes, the other understands; what it cannot, it says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ours from "headgate";
import * as ourSagas from "headgate/saga";
import * as ourWorkers from "headgate/worker";
import * as theirs from "headgate-other";
import * as theirSagas from "headgate-other/saga";
import * as theirWorkers from "headgate-other/worker";

const bg = theirs.context.background();

test("they are two", () => {
  assert.notEqual(ours.Chan, theirs.Chan);
});

test("a value of the other copy's context is found, through contexts of both", () => {
  const user = ours.context.key("user");
  const ctx = theirs.context.withCancel(ours.context.withValue(bg, user, "ann"))[0];
  const [timed, cancel] = ours.context.withTimeout(ctx, 60_000);
  assert.equal(timed.value(user), "ann");
  cancel();
});

test("the end of the other copy's context ends ours, with its error and its cause", async () => {
  const [parent, cancel] = theirs.context.withCancelCause(bg);
  const [ctx] = ours.context.withCancel(parent);
  const sleeping = ours.time.sleep(60_000, ctx);
  const directly = new ours.Chan().recv(parent);
  const why = new Error("why");
  cancel(why);
  for (const wait of [sleeping, directly])
    await assert.rejects(wait, (error) => error instanceof ours.context.Canceled);
  assert.ok(ctx.err() instanceof theirs.context.Canceled);
  assert.equal(ours.context.cause(ctx), why);
});

test("context.cause knows the cause of the other copy's context", () => {
  const why = new Error("why");
  const [ctx, cancel] = theirs.context.withCancelCause(bg);
  assert.equal(ours.context.cause(ctx), undefined);
  cancel(why);
  assert.equal(ours.context.cause(ctx), why);
});

test("context.isContext knows a context of the other copy", () => {
  assert.ok(ours.context.isContext(bg));
});

test("instanceof knows the errors of the other copy", () => {
  const pairs = [
    [ours.context.Canceled, theirs.context.Canceled],
    [ours.context.DeadlineExceeded, theirs.context.DeadlineExceeded],
    [ours.ClosedChannel, theirs.ClosedChannel],
    [ours.retry.Permanent, theirs.retry.Permanent],
    [ourWorkers.Permanent, theirWorkers.Permanent],
    [ourWorkers.Stopping, theirWorkers.Stopping],
    [ourWorkers.LeaseLost, theirWorkers.LeaseLost],
    [ourWorkers.LeaseExpired, theirWorkers.LeaseExpired],
    [ourSagas.NotApplied, theirSagas.NotApplied],
  ];
  for (const [i, [Ours, Theirs]] of pairs.entries()) {
    assert.ok(new Theirs("x") instanceof Ours, Ours.name);
    const [, Another] = pairs[(i + 1) % pairs.length];
    const isSame = Ours === Another || new Another("x") instanceof Ours;
    assert.equal(isSame, i === 3, `${Another.name} is no ${Ours.name}`);
  }
});

test("select says of a channel of the other copy what to do", async () => {
  for (const cases of [{ theirs: new theirs.Chan() }, { done: theirs.context.withCancel(bg)[0].done() }]) {
    await assert.rejects(
      async () => ours.select(cases),
      (error) =>
        error instanceof TypeError && /npm ls headgate/.test(error.message) && /peerDependency/.test(error.message),
    );
  }
});

test("select waits for the end of the other copy's context through a context of its own", async () => {
  const [theirCtx, cancel] = theirs.context.withCancel(bg);
  const [ctx, release] = ours.context.withCancel(theirCtx);
  const waiting = ours.select({ done: ctx.done(), late: ours.time.after(60_000) });
  cancel();
  assert.equal((await waiting).case, "done");
  release();
});

test("a worker of one copy works on the broker of the other, and stops with its context", async () => {
  const broker = theirWorkers.memoryBroker();
  await broker.publish(1);
  const [ctx, cancel] = theirs.context.withCancel(bg);
  const report = await ourWorkers.worker(ctx, broker, () => cancel());
  assert.deepEqual([report.acked, report.stopped], [1, "cancelled"]);
});

test("retry of one copy stops at a Permanent of the other", async () => {
  let calls = 0;
  const fn = () => {
    calls++;
    throw new theirs.retry.Permanent("never");
  };
  await assert.rejects(ours.retry.run(bg, fn), theirs.retry.Permanent);
  assert.equal(calls, 1);
});
