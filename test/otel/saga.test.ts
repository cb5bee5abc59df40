/** The spans of a saga, made with a tracer of the tests' own. */
import { context, time } from "headgate";
import { instrumentSaga } from "headgate/otel";
import { NotApplied, saga, type SagaOptions } from "headgate/saga";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { Fake } from "./fake.ts";

const background = context.background();
const RETRY: Partial<SagaOptions> = { compensation: { retry: { tries: 2, base: 1 } } };

/** A saga of two steps: the second one fails, and each compensation does what it is given. */
async function run(fake: Fake, undo: (name: string) => void, options: Partial<SagaOptions> = {}) {
  const spans = instrumentSaga(fake.api);
  const trip = saga<string>("trip")
    .step(
      "hotel",
      spans.step(() => fake.start("POST hotel").end()),
      spans.compensate(() => undo("hotel")),
    )
    .step(
      "flight",
      spans.step(async (ctx) => {
        await time.sleep(1, ctx);
        fake.start("POST flight").end();
        throw new RangeError("no seats");
      }),
      spans.compensate(() => undo("flight")),
    );
  const deadLetter = (): void => {};
  const running = trip.run(background, "Oslo", spans.options({ id: "t:1", deadLetter, ...RETRY, ...options }));
  await elapse(60_000);
  return running;
}

describe("a saga that is compensated", () => {
  virtualTime();

  it("has a span, with one for each step and each compensation, in which their calls are", async () => {
    const fake = new Fake();
    const request = fake.start("request");
    const result = await fake.within(request, () => run(fake, (name) => fake.start(`DELETE ${name}`).end()));
    expect(result.status).toBe("compensated");
    expect(fake.spans.map((span) => fake.pathOf(span))).toEqual([
      "request",
      "request > saga trip",
      "request > saga trip > step hotel",
      "request > saga trip > step hotel > POST hotel",
      "request > saga trip > step flight",
      "request > saga trip > step flight > POST flight",
      "request > saga trip > compensate flight",
      "request > saga trip > compensate flight > DELETE flight",
      "request > saga trip > compensate hotel",
      "request > saga trip > compensate hotel > DELETE hotel",
    ]);
    expect(fake.spans.slice(1).filter(({ ends }) => ends !== 1)).toEqual([]);
    const [flight] = fake.named("step flight");
    expect(fake.named("compensate flight")[0]!.links).toEqual([flight!.ids]);
    expect([flight!.status, flight!.events, flight!.attributes]).toEqual([
      "unknown",
      ["attempt failed"],
      {
        "headgate.saga.name": "trip",
        "headgate.saga.step": "flight",
        "headgate.saga.key": "t:1:flight",
        "headgate.saga.outcome": "unknown",
        "headgate.saga.attempts": 1,
        "error.type": "RangeError",
      },
    ]);
    const [whole] = fake.named("saga trip");
    expect(whole!.attributes).toMatchObject({ "headgate.saga.id": "t:1", "headgate.saga.status": "compensated" });
    expect([whole!.status, whole!.attributes["error.type"]]).toEqual(["compensated", "RangeError"]);
    expect(fake.measured.map(({ name, attributes }) => [name, attributes["headgate.saga.status"]])).toEqual([
      ["headgate.saga.duration", "compensated"],
    ]);
  });

  it("has a span for a compensation that is not wrapped, too", async () => {
    const fake = new Fake();
    const spans = instrumentSaga(fake.api);
    const trip = saga<string>("trip")
      .step(
        "hotel",
        () => {},
        () => {},
      )
      .step(
        "flight",
        () => {
          throw new NotApplied("no seats");
        },
        () => {},
      );
    await trip.run(background, "Oslo", spans.options({ id: "1", deadLetter: () => {} }));
    expect(fake.spans.map(({ name, status, ends }) => [name, status, ends])).toEqual([
      ["saga trip", "compensated", 1],
      ["step hotel", undefined, 1],
      ["step flight", "not applied", 1],
      ["compensate hotel", undefined, 1],
    ]);
  });
});

describe("a saga that cannot be compensated", () => {
  virtualTime();

  it("has an error on each compensation that has failed, and an event for each letter", async () => {
    const fake = new Fake();
    const result = await run(fake, () => {
      throw new SyntaxError("no");
    });
    expect(result.status).toBe("dead-lettered");
    const undos = [...fake.named("compensate flight"), ...fake.named("compensate hotel")];
    expect(
      undos.map(({ status, events, ends, attributes }) => [status, events.length, ends, attributes["error.type"]]),
    ).toEqual([
      ["not undone", 2, 1, "SyntaxError"],
      ["not undone", 2, 1, "SyntaxError"],
    ]);
    expect(fake.named("saga trip")[0]!.events).toEqual(["compensating", "dead-lettered", "dead-lettered"]);
  });

  it("says that a letter was lost", async () => {
    const fake = new Fake();
    const deadLetter = (): never => {
      throw new Error("full");
    };
    const result = await run(
      fake,
      () => {
        throw new SyntaxError("no");
      },
      { deadLetter },
    );
    expect(result.status).toBe("lost");
    expect(fake.named("saga trip")[0]!.events).toEqual(["compensating", "letter lost", "letter lost"]);
  });
});

describe("a saga that is committed", () => {
  it("has no error, calls the observer of the caller, and runs several times at once", async () => {
    const fake = new Fake();
    const spans = instrumentSaga(fake.api);
    const trip = saga<string>("trip").step(
      "hotel",
      spans.step(async () => fake.start("POST").end()),
    );
    const types: string[] = [];
    const observe: SagaOptions["observe"] = ({ type }) => void types.push(type);
    await Promise.all(
      ["1", "2"].map((id) => trip.run(background, "Oslo", spans.options({ id, deadLetter: () => {}, observe }))),
    );
    expect(fake.named("saga trip").map(({ status, attributes: a }) => [status, a["headgate.saga.status"]])).toEqual([
      [undefined, "committed"],
      [undefined, "committed"],
    ]);
    const places = fake.named("POST").map((span) => fake.pathOf(span));
    expect(places).toEqual(Array(2).fill("saga trip > step hotel > POST"));
    expect(new Set(fake.named("POST").map(({ ids }) => ids.traceId)).size).toBe(2);
    expect(types.filter((type) => type === "finished").length).toBe(2);
  });

  it("that goes on from a journal has spans for what is done now", async () => {
    const fake = new Fake();
    const spans = instrumentSaga(fake.api);
    const trip = saga<string>("trip")
      .step(
        "hotel",
        spans.step(() => {}),
      )
      .step(
        "flight",
        spans.step(() => {}),
      );
    const said = { saga: "trip", id: "1", at: 0, step: "hotel", key: "1:hotel" };
    const resume = [
      { saga: "trip", id: "1", at: 0, type: "started", input: "Oslo" },
      { ...said, type: "stepStarted" },
      { ...said, type: "stepFinished", outcome: "done", attempts: 1, ms: 1 },
    ] as const;
    await trip.run(background, "Oslo", spans.options({ id: "1", deadLetter: () => {}, resume }));
    expect(fake.spans.map(({ name }) => name)).toEqual(["saga trip", "step flight"]);
  });
});

describe("the arguments of the instrumentation of a saga", () => {
  it("are refused if they are no functions, or not the module", () => {
    const spans = instrumentSaga(new Fake().api);
    expect(() => spans.step(1 as never)).toThrow("instrumentSaga: step takes a function, got number");
    expect(() => spans.compensate(1 as never)).toThrow("instrumentSaga: compensate takes a function, got number");
    expect(() => spans.options({ deadLetter: () => {}, observe: 1 as never })).toThrow(
      "instrumentSaga: observe must be a function, got number",
    );
    expect(() => instrumentSaga(1 as never)).toThrow(/got number without trace\.getTracer$/);
  });
});
