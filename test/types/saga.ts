/**
 * What the types of a saga promise: checked by the compiler, never run.
 */
import { type Context, context } from "headgate";
import {
  type DeadLetter,
  type Entry,
  orThrow,
  type Result,
  saga,
  type SagaEvent,
  type SagaOptions,
  type SerializedError,
} from "headgate/saga";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Equal<A, B> extends true ? [] : ["types differ"]): void {}

declare const ctx: Context;
declare const options: SagaOptions;

interface Trip {
  readonly city: string;
}
interface Room {
  readonly number: number;
}
declare function book(ctx: Context, city: string): Promise<Room>;

export async function eachStepKnowsWhatIsDone(): Promise<void> {
  const trip = saga<Trip>("trip")
    .step(
      "hotel",
      (ctx, { input, done }) => {
        same<typeof done, Record<never, never>>();
        return book(ctx, input.city);
      },
      (ctx, { output, outcome, key, attempt }) => {
        same<typeof ctx, Context>();
        same<typeof output, Room | undefined>();
        same<typeof outcome, "done" | "unknown">();
        same<typeof key, string>();
        same<typeof attempt, number>();
        // @ts-expect-error it may not be known
        void output.number;
      },
    )
    .step("car", (_, { done }) => {
      same<typeof done, { readonly hotel: Room }>();
      // @ts-expect-error there is no such step yet
      void done.plane;
      return done.hotel.number > 5;
    })
    .step("plane", async () => {}, undefined, { pivot: true, timeout: 5, retry: { tries: 2 } });

  const result = await trip.run(ctx, { city: "Oslo" }, options);
  type Done = { readonly hotel: Room; readonly car: boolean; readonly plane: void };
  same<typeof result, Result<Done>>();
  const output = orThrow(result);
  same<typeof output, Done>();
  // @ts-expect-error the input is a Trip
  await trip.run(ctx, { town: "Oslo" }, options);
  // @ts-expect-error there is no default for what cannot be undone
  await trip.run(ctx, { city: "Oslo" }, {});
  // @ts-expect-error nor are there default options
  await trip.run(ctx, { city: "Oslo" });
  // @ts-expect-error the context comes first
  await trip.run({ city: "Oslo" }, ctx, options);

  // @ts-expect-error the name is used already
  trip.step("hotel", () => 5);
  trip.step("train", () => 5);
  const run = () => 5;
  const undo = () => {};
  const wrong = (_: Context, { output }: { output?: string }) => void output;
  // @ts-expect-error what undoes it gets what it returned, and that is a number
  trip.step("bus", run, wrong);
  // @ts-expect-error options are an object
  trip.step("bus", run, undo, 5);
  // @ts-expect-error there is no such option
  trip.step("bus", run, undo, { retries: 5 });
}

export function resultsAreToldApart(result: Result<{ readonly a: number }>): void {
  same<typeof result.log, readonly Entry[]>();
  // @ts-expect-error it may not be committed
  void result.output;
  // @ts-expect-error or it may
  void result.cause;
  if (result.status === "committed") same<typeof result.output, { readonly a: number }>();
  if (result.status === "compensated") same<typeof result.cause, Error>();
  // @ts-expect-error nothing is left
  if (result.status === "compensated") void result.letters;
  if (result.status === "dead-lettered") same<typeof result.letters, readonly DeadLetter[]>();
  if (result.status === "lost") same<typeof result.errors, readonly Error[]>();
  // @ts-expect-error what is in it is read, not written
  result.log[0]!.attempts = 5;
}

export function eventsAreToldApart(event: SagaEvent): void {
  same<typeof event.at, number>();
  if (event.type === "compensating") same<typeof event.cause, SerializedError>();
  if (event.type === "deadLettered") same<typeof event.letter, DeadLetter>();
  // @ts-expect-error the beginning is of no step
  if (event.type === "started") void event.step;
  // @ts-expect-error there is no such event
  if (event.type === "exploded") return;
}

export const minimal: SagaOptions = { deadLetter: async () => {} };
export const all: SagaOptions = {
  id: "1",
  compensation: { budget: 1, timeout: 1, retry: { tries: 1 } },
  deadLetter: (_: Context, letter: DeadLetter) => void letter.reason,
  abort: context.background(),
  observe: (event) => void event.type,
  resume: [],
};
