/**
 * The words of the page, in one place. Subject first, one fact a sentence.
 */
const NUMBERS = ["No", "One", "Two", "Three", "Four", "Five"];

/** "m1, m2 and m3" */
export function listOf(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

export const text = {
  title: "Stop it anywhere",
  honest:
    "Each picture is a recording of the real library. The page shows schedules that the test kit permits. Today's event loop does not produce all of them.",
  live: "These are contexts of the real library, in real time.",
  tabs: {
    worker: "Worker",
    contexts: "Contexts",
    channels: "Channels",
    schedule: "You schedule",
  },
  keys: [
    ["Space", "play or pause"],
    ["← →", "one step back, one step on"],
    ["Home End", "first step, last step"],
    ["S", "SIGTERM at this step"],
    ["1 – 4", "the four views"],
    ["[ ]", "design before, design after"],
    ["C", "copy the replay string"],
    ["?", "these keys"],
  ],
  stop: {
    program: "program",
    design: "design",
    messages: "messages",
    fails: "fails once",
    language: "code",
    languages: [
      { id: "ts", title: "TypeScript" },
      { id: "go", title: "Go" },
    ],
    code: (design: string): string => `${design}: the code that runs`,
    goCode: {
      first: "slides 18 and 19 of the talk, as we read them",
      repair: "slide 23 of the talk, as we read it: the last of the three goroutines",
      same: "slide 20 of the talk, as we read it",
    } as Readonly<Record<string, string>>,
    noGo: (design: string): string => `${design}: no slide of the talk has it. The TypeScript runs`,
  },
  worker: {
    title: "A worker",
    about: "Three tasks pull messages from a queue, handle them and ack them. Then a deployment stops the worker.",
    loses: "A stop here loses",
    takeaway: "Closing says “no more is coming”. A context says “stop”. One signal for both loses messages.",
    states: {
      queued: "queued",
      held: "pulled",
      working: "at work",
      handled: "handled",
      acking: "being acked",
      done: "acked",
      back: "given back",
      again: "comes again",
      lost: "handled twice",
      declined: "declined",
    },
    stations: [
      { id: "queue", title: "Queue", hint: "the broker" },
      { id: "pull", title: "pull", hint: "sends on msgs" },
      { id: "handle", title: "handle", hint: "10 ms of work" },
      { id: "ack", title: "ack", hint: "2 ms to the broker" },
      { id: "acked", title: "Acked", hint: "for good" },
      { id: "again", title: "Delivered again", hint: "after the lease" },
    ],
    designs: {
      first: {
        title: "first version",
        about: "Each stage ends the context of the next one. One signal says two things: stop, and no more is coming.",
      },
      repair: {
        title: "with the usual repair",
        about: "At its end, ack sends what it has in hand, and one more. That is a guess, and it is often right.",
      },
      worker: {
        title: "headgate/worker",
        about: "The context says stop. Closed channels say that no more is coming. What was handled is acked.",
      },
    },
    failures: (id: string) => [
      { id: "none", title: "nothing" },
      { id: "pull", title: "the second pull" },
      { id: "handle", title: `the work on ${id}` },
      { id: "ack", title: `the ack of ${id}` },
    ],
    failed: {
      pull: "The pull fails: the broker does not answer.",
      handle: "The work on {id} fails.",
      ack: "The ack of {id} fails: the broker does not answer.",
    },
    notes: {
      pulled: "The broker hands over {id}.",
      handled: "{id} is handled.",
      acked: "{id} is acked.",
      released: "{id} is given back.",
    },
    press: "This worker is about to be replaced by a deployment. Press S.",
    unknown: "Stop it at any step: press S, or choose a mark above.",
    published: (n: number): string => `${NUMBERS[n]} message${n === 1 ? " waits" : "s wait"} in the queue.`,
    over: "The worker has ended. Now the leases run out.",
    again: "The next worker gets",
    plain: (n: number): string =>
      n === 1 ? "No stop: the message is handled and acked." : `No stop: all ${n} are handled and acked.`,
    survived: "No stop: what failed was tried again. All is handled and acked.",
    failureStops: "The failure ends the context of the group, as SIGTERM does.",
    allAcked: "All that was handled is acked. Nothing is lost.",
    harmless: (ids: readonly string[]): string =>
      `All that was handled is acked. What was not handled comes again, as it should: ${listOf(ids)}.`,
    lostByFailure: (id: string): string =>
      `${id} is handled. Its ack has failed, and was not sent again. So ${id} comes again.`,
    lostInAck: (id: string): string =>
      `${id} is handled. Its ack was in a variable when the context ended. It is never sent, so ${id} comes again.`,
    lostInHandle: (id: string): string =>
      `${id} is handled. Its result was on the way to ack when the context ended. It is dropped, so ${id} comes again.`,
  },
  transfer: {
    title: "Two APIs",
    about: "A transfer debits one bank and credits another. Then it is cancelled.",
    loses: "A stop here leaves half of it",
    takeaway: "A call without an answer may have happened. Undo all that was begun, on a context that is alive.",
    states: {
      queued: "not called",
      held: "called",
      working: "on its way",
      handled: "handled",
      declined: "declined",
      acking: "undo on its way",
      done: "money moved",
      back: "taken back",
      again: "again",
      lost: "half done",
    },
    stations: [
      { id: "idle", title: "Not called", hint: "nothing sent" },
      { id: "way", title: "On its way", hint: "arrives after 3 ms" },
      { id: "moved", title: "Money moved", hint: "at the bank" },
      { id: "undone", title: "Taken back", hint: "as if it never was" },
    ],
    designs: {
      same: {
        title: "same context",
        about: "The rollback uses the context that was just cancelled. So its request is never sent.",
      },
      repair: {
        title: "with the usual repair",
        about: "The rollback has a context of its own, and retries. But it knows only of the debit.",
      },
      saga: {
        title: "headgate/saga",
        about: "Each call has its undo. Each call that was begun is undone, also one without an answer.",
      },
    },
    failures: [
      { id: "none", title: "nothing" },
      { id: "declined", title: "the credit: declined" },
      { id: "unanswered", title: "the answer to the credit" },
    ],
    notes: {
      "call sent": "The {id} is sent.",
      "call declined": "The bank declines the {id}: no money moves.",
      "call unanswered": "The answer to the {id} is lost.",
      "call arrived": "The {id} arrives: the money has moved.",
      "call answered": "The {id} is answered.",
      "undo sent": "The undo of the {id} is sent.",
      "undo arrived": "The undo of the {id} arrives.",
      "undo answered": "The undo of the {id} is answered.",
    },
    ended: "The transfer has returned. What was sent still arrives.",
    over: "100 ms later, every request has arrived.",
    both: "Both banks have moved the money.",
    neither: "Neither bank has moved the money.",
    half: (bank: string): string => `Only the ${bank} has happened. One half of the transfer stays.`,
  },
  channels: {
    about:
      "Each press is one call on real channels. A send waits until there is room or a receiver. A receive waits until there is a value.",
    capacity: "capacity",
    slots: (n: number): string => (n === 1 ? "1 slot" : `${n} slots`),
    senders: "senders that wait",
    receivers: "receivers that wait",
    buffer: "buffer",
    unbuffered: "no buffer: hand to hand",
    alive: "ctx is alive",
    ended: "ctx has ended",
    noDice: "When a select has several ready cases, it takes any of them.",
    diceLabel: "The choice of the select",
    dice: (n: number): string => `${n} cases were ready. It took one at random. Take another:`,
    noCalls: "no calls yet",
    begin: "Both channels are empty. Press send.",
    misuse: (error: string): string => `That is misuse: ${error}`,
    woken: (task: string, result: string): string => `${task}: ${result}.`,
    waits: (task: string, why: string): string => `${task} waits: ${why}.`,
    done: (task: string, result: string): string => `${task}: ${result}.`,
    why: {
      send: { unbuffered: "no receiver is there", buffered: "the buffer is full" },
      recv: { unbuffered: "no sender is there", buffered: "the buffer is empty" },
      select: "no case is ready; it is in the queues of both channels",
    },
    cancelled: "ctx ends. Each call that waits with it fails, and has given and taken nothing.",
    passed: "10 ms pass.",
    closed: (side: string): string =>
      `${side} is closed: no more is coming. What is in its buffer can still be received.`,
    rules: [
      "One of the two queues is empty.",
      "If there is a value in the buffer, no receiver waits.",
      "If there is room in the buffer, no sender waits.",
      "Each value is in one place: waiting, buffered or received.",
      "Queues are served first in, first out.",
    ],
  },
  schedule: {
    about: "Each program has a bug from production. In the plain order it passes, so an ordinary test sees nothing.",
    goal: "You are the scheduler. Make it fail.",
    bug: "bug",
    broken: "as it was written",
    fixed: "repaired, under the same schedule",
    passes: "✓ passes",
    holds: "✓ holds",
    next: "Next step: choose the task that goes on, or cancel.",
    only: "Only one task can go on. You can cancel here.",
    over: "The program is over. Step back to choose again.",
    running: (step: number, steps: number): string => `Step ${step} of ${steps}. What comes next is up to you.`,
    won: "The replay string fails in your test runner, too.",
    lost: "Step back, and choose another task or another moment to cancel.",
    find: "Find it for me",
    searching: "explore runs one schedule after the other …",
    tried: (cancelAt: number | undefined): string =>
      cancelAt === undefined ? "explore does the same, and tries them all." : `You cancelled after step ${cancelAt}.`,
    found: (schedules: number, replay: string): string =>
      `explore failed at schedule ${schedules}. The shortest string for it is ${replay}.`,
  },
  contexts: {
    about: "These are live contexts. End one, and all that derive from it end with it. What is above it goes on.",
    live: "live",
    never: "cannot end",
    selected: "the chosen context",
    code: "The code of this tree",
    tree: "Context tree",
    rules: [
      "A cancel goes down, never up.",
      "There is one reason for all: the cause of the first end.",
      "Values pass through everything.",
      "withoutCancel is the way out: it keeps the values and leaves the cancel behind.",
    ],
    actions: {
      c: "cancel",
      k: "cancel with a cause",
      a: "abort its signal",
      n: "+ withCancel",
      d: "+ withTimeout",
      v: "+ withValue",
      o: "+ withoutCancel",
      s: "+ withSignal",
      f: "+ afterFunc",
    },
    again: "start again",
    functions: (called: number, registered: number): string => `${called} of ${registered} called`,
  },
};
