/**
 * The reasons why another contender is faster in a row: the feature that it gives up, or the work that only headgate does. The keys are the
 * ids of the row and of the contender. docs/benchmarks.md puts the reasons beside the figures. No other reasons are known.
 */

const NO_CTX = "a wait is a function in an array: no context can end it, and timers are starved";
const SYNC = "a free lock is taken without a promise; but then a loop of it lets no other task run";
const OVERTAKES = "a waiter is woken to try again, and may be overtaken for ever";
const REASON =
  "its reason is made once; headgate's is an error that says where each was cancelled, which is half of the time";
const NO_ADMISSION = "makes no promise for the caller that hands a task in: nothing slows it down";

export const reasons = {
  unbuffered: { naive: NO_CTX },
  buffered: {
    naive: NO_CTX,
    easyts: "a value comes alone: an undefined that was sent looks like the end of the channel",
  },
  "buffered-try": { easyts: "a value comes alone: an undefined that was sent looks like an empty channel" },
  sieve: {
    naive: NO_CTX,
    medium: "a value comes alone, and no pair is made for it",
    "thi.ng-csp":
      "a value comes alone, and no pair is made for it; an unread channel holds one value, so that fewer sends wait",
    "async-channel": "a value comes alone; a channel that is closed is an error",
    easyts: "a value comes alone: an undefined that was sent looks like the end of the channel",
  },
  "close-1000": { naive: NO_CTX, medium: "a take cannot be withdrawn", "thi.ng-csp": "a read cannot be withdrawn" },
  "select-default": { naive: NO_CTX },
  "value-100": {
    effection:
      "values are inherited from object to object, which makes a scope hundreds of times as expensive as a context",
  },
  signal: {
    native: REASON,
    effect: "its signal is aborted for a reason that is made once",
  },
  "timeout-crowd": { native: REASON },
  timeouts: { native: "its reason is made once; it has no deadline to ask for, no cause and no children" },
  "group-limit": {
    naive: "errors are not kept, and a release too many is not noticed",
    "async-sema": "errors are not kept",
    "async-mutex": "errors are not kept",
  },
  "group-all": {
    naive: NO_ADMISSION,
    fastq: NO_ADMISSION,
    effect: "the task is an effect that never waits: no async function is called",
  },
  "group-1000": { native: "the tasks start inside the call, all at once", fastq: NO_ADMISSION },
  waitgroup: {
    naive: "one counter and one promise: it cannot be waited for by two, nor with a context",
    native: "the tasks start inside the call, all at once",
    easyts: "the tasks start inside the call",
  },
  mutex: {
    naive: "nothing is returned that gives the lock back once and no oftener",
    easyts: SYNC,
    "async-sema": "nothing is returned that gives the lock back once and no oftener",
  },
  "mutex-10": { naive: NO_CTX, "async-sema": NO_CTX },
  "rwmutex-read": { easyts: SYNC },
  "rwmutex-mixed": { easyts: `${OVERTAKES}: readers pass a writer that waits` },
  lateness: { "ts-chan": "lets a macrotask pass at every operation, and so takes ten times as long for each" },
  pipeline: { medium: "a value comes alone, by a take that cannot be withdrawn" },
  "iterate-unbuffered": { medium: "a value comes alone, by a take that cannot be withdrawn" },
  semaphore: { naive: "permits have no weight, and a release too many is not noticed" },
  "semaphore-10": { naive: NO_CTX, "async-sema": NO_CTX },
  "singleflight-100": {
    naive: "no caller learns whether the result was shared, and no context ends the wait of one caller alone",
  },
  "bytes-receiver": {
    naive: NO_CTX,
    native: "a read is withdrawn only with its reader",
    "async-channel": "a receive cannot be withdrawn",
  },
  "bytes-task": { fastq: NO_ADMISSION },
};
