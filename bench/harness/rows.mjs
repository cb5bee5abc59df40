/**
 * What is measured: one row a question, with the target that headgate has set itself.
 *
 * A program does `n` operations, and what it takes is divided by `n`; `unit` says what one operation is. `target` is a multiple of h, one
 * await of a promise that is resolved already, in the same process, unless `kind` says otherwise. `n` is fixed where the number itself
 * matters; elsewhere it is chosen so that a slice lasts long enough. `note` says what the reader must know to compare.
 *
 * kinds: "time" (ns, and so × h), "bytes" (retained, per thing), "lateness" (ms), "rate" (a second; the more, the better).
 */
const TRANSFER = "send + recv";

export const rows = [
  // ------------------------------------------------------------------------------------------------------------- channels
  { id: "unbuffered", group: "channels", title: "unbuffered", unit: TRANSFER, target: 4.0 },
  { id: "buffered", group: "channels", title: "buffered, 128", unit: TRANSFER, target: 2.6 },
  { id: "buffered-try", group: "channels", title: "buffered, 128, try first", unit: TRANSFER, target: 0.8 },
  { id: "iterate-buffered", group: "channels", title: "for await, buffered, 128", unit: "send + step", target: 3.0 },
  { id: "iterate-unbuffered", group: "channels", title: "for await, unbuffered", unit: "send + step", target: 4.5 },
  { id: "fan-in", group: "channels", title: "fan-in, 100 senders, 1 receiver", unit: TRANSFER, target: 4.0 },
  {
    id: "pipeline",
    group: "channels",
    title: "pipeline of 10 stages, unbuffered",
    unit: "value through all 11 channels",
    target: 48,
  },
  { id: "recv-ctx", group: "channels", title: "unbuffered, recv(ctx)", unit: TRANSFER },
  { id: "both-ctx", group: "channels", title: "unbuffered, send(ctx) and recv(ctx)", unit: TRANSFER },
  { id: "sieve", group: "channels", title: "prime sieve, the first 100 primes", unit: "sieve" },
  { id: "make-chan", group: "channels", title: "make a channel, unbuffered", unit: "channel" },
  { id: "close-1000", group: "channels", title: "close wakes 1000 receivers", unit: "receiver, waiting and woken" },

  // --------------------------------------------------------------------------------------------------------------- select
  { id: "select-2", group: "select", title: "select of 2 receives, waiting", unit: "send + select", target: 8 },
  { id: "select-10", group: "select", title: "select of 10 receives, waiting", unit: "send + select", target: 8 },
  { id: "select-sends", group: "select", title: "select of 2 sends, waiting", unit: "select + recv" },
  { id: "select-ready", group: "select", title: "select of 2, one ready", unit: "send + select" },
  { id: "select-default", group: "select", title: "select of 2 with default, none ready", unit: "select" },
  { id: "select-ctx", group: "select", title: "select(ctx) of 2 receives, waiting", unit: "send + select" },

  // -------------------------------------------------------------------------------------------------------------- context
  { id: "child", group: "context", title: "child: create + cancel", unit: "context", target: 2 },
  {
    id: "children",
    group: "context",
    title: "100 000 children: create all, cancel the parent",
    unit: "context",
    n: 100_000,
    target: 10,
  },
  {
    id: "cancel-children",
    group: "context",
    title: "cancel a parent of 100 000",
    unit: "context",
    n: 100_000,
    target: 5,
    note: "making them is not timed",
  },
  { id: "cancel-chain", group: "context", title: "chain 1000 deep: create, cancel the root", unit: "context", n: 1000 },
  { id: "timeout", group: "context", title: "withTimeout: create + cancel", unit: "context" },
  {
    id: "timeout-crowd",
    group: "context",
    title: "the same beside 100 000 live deadlines",
    unit: "context",
    note: "setting the 100 000 is not timed",
  },
  {
    id: "timeouts",
    group: "context",
    title: "100 000 deadlines: create all, cancel each",
    unit: "context",
    n: 100_000,
  },
  { id: "after-func", group: "context", title: "afterFunc: register + stop", unit: "function" },
  { id: "signal", group: "context", title: "child with its AbortSignal: create + cancel", unit: "context" },
  { id: "err", group: "context", title: "err() of a live context", unit: "call" },
  { id: "value-1", group: "context", title: "value(), 1 deep", unit: "call" },
  { id: "value-100", group: "context", title: "value(), 100 deep", unit: "call" },

  // ---------------------------------------------------------------------------------------------------------- tasks, locks
  { id: "group-limit", group: "tasks", title: "errgroup, limit 10, awaited", unit: "task", target: 4.5 },
  {
    id: "group-all",
    group: "tasks",
    title: "errgroup, limit 10, 100 000 at once",
    unit: "task",
    n: 100_000,
    target: 25,
  },
  { id: "group-1000", group: "tasks", title: "errgroup of 1000, no limit", unit: "task", n: 1000 },
  { id: "waitgroup", group: "tasks", title: "WaitGroup of 1000: add, go, done, wait", unit: "task", n: 1000 },
  { id: "mutex", group: "tasks", title: "Mutex, free", unit: "lock + unlock" },
  { id: "mutex-10", group: "tasks", title: "Mutex, 10 tasks want it", unit: "lock + unlock" },
  { id: "rwmutex-read", group: "tasks", title: "RWMutex, reading, free", unit: "rLock + rUnlock" },
  { id: "rwmutex-mixed", group: "tasks", title: "RWMutex, 9 readers, 1 writer", unit: "lock + unlock" },
  { id: "semaphore", group: "tasks", title: "semaphore, free", unit: "acquire + release" },
  { id: "semaphore-10", group: "tasks", title: "semaphore of 1, 10 tasks want it", unit: "acquire + release" },
  { id: "singleflight", group: "tasks", title: "singleflight, one caller", unit: "do" },
  { id: "singleflight-100", group: "tasks", title: "singleflight, 100 callers share a call", unit: "caller" },

  // ------------------------------------------------------------------------------------------------------- the composition
  {
    id: "worker",
    group: "worker",
    title: "worker, broker in memory, handler does nothing",
    unit: "messages a second",
    kind: "rate",
    n: 200_000,
    target: 150_000,
  },
  {
    id: "lateness",
    group: "fairness",
    title: "a timer of 10 ms beside saturated channels, p99",
    unit: "ms late",
    kind: "lateness",
    target: 5,
  },

  // --------------------------------------------------------------------------------------------------------------- memory
  { id: "bytes-receiver", group: "memory", title: "a receiver that waits", unit: "bytes", kind: "bytes", n: 100_000 },
  {
    id: "bytes-child",
    group: "memory",
    title: "a child context",
    unit: "bytes",
    kind: "bytes",
    n: 100_000,
    target: 120,
    note: "its cancel function is dropped, as in Go's and in every rival's row",
  },
  {
    id: "bytes-timeout",
    group: "memory",
    title: "a context with a deadline",
    unit: "bytes",
    kind: "bytes",
    n: 100_000,
  },
  {
    id: "bytes-task",
    group: "memory",
    title: "a task that waits for its slot",
    unit: "bytes",
    kind: "bytes",
    n: 100_000,
  },
  { id: "bytes-chan", group: "memory", title: "a channel, unbuffered", unit: "bytes", kind: "bytes", n: 100_000 },
  {
    id: "bytes-after",
    group: "memory",
    title: "left after 1 000 000 children, each cancelled, under a live parent",
    unit: "bytes in all",
    kind: "bytes",
    n: 1_000_000,
    target: 0,
    total: true,
  },
];

/**
 * What must not grow: the cost of one operation against how many others there are. Each program is given n and the size; n is the
 * size where that is the number of operations.
 */
const SIZES = [10, 100, 1000, 10_000, 100_000, 1_000_000];

export const scaling = [
  { id: "scale-receivers", title: "a value for the first of N receivers that wait", unit: "recv + send", sizes: SIZES },
  {
    id: "scale-withdraw",
    title: "one of N receivers that wait gives up, in random order",
    unit: "cancel",
    sizes: SIZES,
    note: "letting them wait is not timed",
  },
  { id: "scale-children", title: "cancel a parent of N children", unit: "child", sizes: SIZES },
  { id: "scale-siblings", title: "create + cancel beside N siblings", unit: "context", sizes: SIZES },
  {
    id: "scale-deadlines",
    title: "withTimeout, create + cancel, beside N live deadlines",
    unit: "context",
    sizes: SIZES,
  },
  { id: "scale-cases", title: "select of N cases, waiting", unit: "case", sizes: SIZES.slice(0, 5) },
  { id: "scale-tasks", title: "errgroup of N tasks, limit 10, at once", unit: "task", sizes: SIZES },
  { id: "scale-buffer", title: "fill and drain a buffer of N", unit: "send + recv", sizes: SIZES },
];
