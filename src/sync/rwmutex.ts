/**
 * A lock for many readers or one writer: Go's `sync.RWMutex`.
 *
 * Invariants:
 * - A writer holds the lock alone; readers hold it together.
 * - While a writer waits, no new reader is admitted, so writers do not starve. When a writer unlocks, all readers that wait then are
 *   admitted, so readers do not starve either.
 * - While the lock is free nobody waits for it.
 */
import { isCancelled, entryError, suspend } from "../internal/suspend.ts";
import { panic } from "../internal/errors.ts";
import { Inspectable } from "../internal/inspect.ts";
import { WaitQueue, Waiter } from "../internal/waitqueue.ts";
import { created, rejected, note, resolved, wake } from "../internal/runtime.ts";
import type { Context } from "../types.ts";

/**
 * A lock that is held by any number of readers, or by one writer.
 *
 * @see Go's [sync.RWMutex](https://pkg.go.dev/sync#RWMutex)
 * @example
 * ```ts
 * import { sync } from "headgate";
 *
 * const mu = new sync.RWMutex();
 * const prices = new Map<string, number>();
 * async function price(item: string) {
 *   using _ = await mu.rLock();
 *   return prices.get(item);
 * }
 * async function update(item: string, to: number) {
 *   using _ = await mu.lock();
 *   prices.set(item, to);
 * }
 * await update("tea", 3);
 * console.log(await price("tea")); // => 3
 * ```
 */
export class RWMutex extends Inspectable {
  private writing = false;
  private readers = 0;
  private readonly writersWaiting: WaitQueue = new WaitQueue();
  private readonly readersWaiting: WaitQueue = new WaitQueue();
  /** Which acquisition this is, so that a guard can tell its own from later ones: each writer's is one, and the readers' together. */
  private turn = 0;
  /** How many of the readers who hold the lock together have unlocked by hand, and whose guards are therefore void. */
  private byHand = 0;
  /** How many of them came by tryRLock and have no guard. */
  private unguarded = 0;

  constructor() {
    super();
    // When a writer gives up, and it was the last, readers need not wait for it.
    this.writersWaiting.watcher = {
      onLeave: () => this.writing || this.writersWaiting.head !== null || this.admitReaders(),
    };
    created(this);
  }

  /**
   * Waits for the lock and takes it for writing. Resolves to a guard, as with `Mutex.lock`.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the lock is not held, and readers who waited behind this
   * writer alone are admitted.
   *
   * **Ordering**: writers in the order of their calls.
   *
   * @see Go's [RWMutex.Lock](https://pkg.go.dev/sync#RWMutex.Lock)
   */
  lock(ctx?: Context): Promise<Disposable> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("lock", this, error);
    if (this.tryLock()) return resolved("lock", this, new WriteGuard(this, this.turn));
    return suspend(new Waiter(null), this.writersWaiting, ctx, "lock", this);
  }

  /** Takes the lock for writing if nobody holds it, and says whether it did; false while anybody waits. */
  tryLock(): boolean {
    if (this.writing || this.readers > 0) return false;
    this.writing = true;
    this.turn++;
    return true;
  }

  /**
   * Ends the writing: all readers that wait now are admitted, else the next writer.
   *
   * **Errors**: throws "sync: Unlock of unlocked RWMutex".
   */
  unlock(): void {
    if (!this.writing) panic("sync: Unlock of unlocked RWMutex", "unlock once for each lock or successful tryLock");
    note("unlock", this);
    this.writing = false;
    this.admitReaders();
    if (this.readers === 0) this.admitWriter();
  }

  /**
   * Waits for the lock and takes it for reading. Resolves to a guard that gives back its own acquisition at most once. Unlock either
   * by the guard or by {@link rUnlock}, whichever, but be consistent for one lock: readers cannot be told apart, so each unlock by
   * hand makes the next guard of the readers who hold the lock together do nothing.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the lock is not held.
   *
   * @see Go's [RWMutex.RLock](https://pkg.go.dev/sync#RWMutex.RLock)
   */
  rLock(ctx?: Context): Promise<Disposable> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("rLock", this, error);
    if (this.mayRead()) {
      if (this.readers++ === 0) this.turn++;
      return resolved("rLock", this, new ReadGuard(this, this.turn));
    }
    return suspend(new Waiter(null), this.readersWaiting, ctx, "rLock", this);
  }

  /** Takes the lock for reading if no writer has it or waits for it, and says whether it did. */
  tryRLock(): boolean {
    if (!this.mayRead()) return false;
    if (this.readers++ === 0) this.turn++;
    this.unguarded++;
    return true;
  }

  /**
   * Ends one reading; the last reader lets the next writer in.
   *
   * **Errors**: throws "sync: RUnlock of unlocked RWMutex".
   */
  rUnlock(): void {
    if (this.readers === 0)
      panic("sync: RUnlock of unlocked RWMutex", "rUnlock once for each rLock or successful tryRLock");
    if (this.unguarded > 0) this.unguarded--;
    else this.byHand++;
    this.leave();
  }

  /** What the lock is and how it stands, such as `sync.RWMutex(2 readers, 1 waiting)`. */
  override toString(): string {
    const state = this.writing
      ? "locked"
      : this.readers > 0
        ? `${this.readers} reader${this.readers === 1 ? "" : "s"}`
        : "unlocked";
    const waiting = this.writersWaiting.count() + this.readersWaiting.count();
    return `sync.RWMutex(${state}${waiting > 0 ? `, ${waiting} waiting` : ""})`;
  }

  private mayRead(): boolean {
    return !this.writing && this.writersWaiting.head === null;
  }

  private admitReaders(): void {
    for (let reader = this.readersWaiting.head; reader !== null;) {
      // One whose ctx has ended in the same step is still here, but not to be let in.
      const isGone = isCancelled(reader);
      // Somebody's own context may do anything when it is asked.
      if (this.writing) return;
      if (reader.queue === null) {
        reader = this.readersWaiting.head;
        continue;
      }
      const { next } = reader;
      if (!isGone) {
        reader.withdraw();
        if (this.readers++ === 0) this.turn++;
        wake(reader, new ReadGuard(this, this.turn));
      }
      reader = next;
    }
  }

  private admitWriter(): void {
    if (this.writing || this.writersWaiting.head === null) return;
    this.writing = true;
    this.turn++;
    wake(this.writersWaiting.shift()!, new WriteGuard(this, this.turn));
  }

  private leave(): void {
    note("rUnlock", this);
    if (--this.readers > 0) return;
    this.byHand = this.unguarded = 0;
    this.turn++;
    this.admitWriter();
  }

  /** @internal A writer's guard is disposed of. */
  unlockTurn(turn: number): void {
    if (this.writing && this.turn === turn) this.unlock();
  }

  /** @internal A reader's guard is disposed of, for the first time. */
  rUnlockTurn(turn: number): void {
    if (this.turn !== turn) return;
    if (this.byHand > 0) this.byHand--;
    else this.leave();
  }
}

class WriteGuard implements Disposable {
  private readonly mutex: RWMutex;
  private readonly turn: number;

  constructor(mutex: RWMutex, turn: number) {
    this.mutex = mutex;
    this.turn = turn;
  }

  [Symbol.dispose](): void {
    this.mutex.unlockTurn(this.turn);
  }

  toJSON(): string {
    return `guard of ${this.mutex}`;
  }
}

class ReadGuard implements Disposable {
  private mutex: RWMutex | null;
  private readonly turn: number;

  constructor(mutex: RWMutex, turn: number) {
    this.mutex = mutex;
    this.turn = turn;
  }

  [Symbol.dispose](): void {
    this.mutex?.rUnlockTurn(this.turn);
    this.mutex = null;
  }

  toJSON(): string {
    return `guard of ${this.mutex ?? "sync.RWMutex"}`;
  }
}
