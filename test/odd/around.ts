/**
 * What the tests of odd values put around the one that is odd: a broker, a source and a sink that do as little as can be.
 */
import type { SagaOptions } from "headgate/saga";
import { memoryBroker, type Source } from "headgate/worker";

export const nothing = (): void => {};

/** What throws `x` when it is called. */
export const throwing = (x: unknown) => (): never => {
  throw x;
};

/** A broker that has one message, and will have no other. */
export function broker(body: unknown = 1): ReturnType<typeof memoryBroker<unknown>> {
  const made = memoryBroker<unknown>();
  void made.publish(body);
  made.end();
  return made;
}

/** A source that hands over one message, and then ends. */
export function source(more: object): Source {
  let pulled = 0;
  const made = {
    pull: async () => (pulled++ === 0 ? [{ id: "1", body: 1 }] : []),
    get ended() {
      return pulled > 0;
    },
    ack: async () => {},
    nack: async () => {},
  };
  return Object.defineProperties(made, Object.getOwnPropertyDescriptors(more));
}

export const letters: Pick<SagaOptions, "deadLetter"> = { deadLetter: nothing };
