/**
 * Package `sync`: names only.
 */
export { Cond } from "./cond.ts";
export { Mutex } from "./mutex.ts";
export { once } from "./once.ts";
export { RWMutex } from "./rwmutex.ts";
export { WaitGroup } from "./waitgroup.ts";
