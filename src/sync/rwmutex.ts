/**
 * A lock for many readers or one writer: Go's `sync.RWMutex`.
 *
 * Invariants:
 * - A writer holds the lock alone; readers hold it together.
 * - While a writer waits, no new reader is admitted, so writers do not starve. When a writer unlocks, all waiting readers are admitted, so
 *   readers do not starve either.
 * - While the lock is free, no call waits for it.
 */
import { isCancelled, entryError, suspend } from "../internal/suspend.ts";
import { panic } from "../internal/errors.ts";
import { Inspectable } from "../internal/inspect.ts";
import { WaitQueue, Waiter } from "../internal/waitqueue.ts";
import { acquired, created, rejected, note, resolved, wake } from "../internal/runtime.ts";
import type { Context } from "../types.ts";
import { mustBeEmpty } from "../internal/args.ts";

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

  // A guard must end its own acquisition, at most once, also after an unlock by hand. Each writer is a generation; readers that hold
  // the lock together are one. A guard of an older generation does nothing. Within one, readers are not distinguished, only
  // counted. Example: A and B have called rLock, C has called tryRLock, which gives no guard.
  //
  //                        readers  unguardedReaders  voidGuards
  //                              3                 1           0
  //     rUnlock()                2                 0           0   it counts as C's: no guard is affected
  //     rUnlock()                1                 0           1   it was A's or B's: the next guard is void
  //     A's guard disposed       1                 0           0   void: it does nothing
  //     B's guard disposed       0                 0           0   the lock is free, and a new generation begins
  //
  // So each reading ends once, if all are ended by their guards or all by hand; and those from tryRLock by hand in any case. In a mix no
  // count can be right. Say A and B have called rLock, then comes one rUnlock, and A's guard is disposed. If A called rUnlock, B still
  // reads. If B did, and dropped its guard, none does. B counts as reading: a writer that waits for ever harms less than one beside a reader.
  private generation = 0;
  /** The readers of this generation that unlocked by hand though they have a guard: that many guards do nothing. */
  private voidGuards = 0;
  /** The readers of this generation without a guard, from tryRLock. */
  private unguardedReaders = 0;

  /** **Errors**: TypeError if it is called with an argument. */
  constructor() {
    super();
    mustBeEmpty(arguments, "sync.RWMutex");
    // When the last waiting writer gives up, the readers behind it are admitted.
    this.writersWaiting.watcher = {
      onLeave: () => this.writing || this.writersWaiting.head !== null || this.admitReaders(),
    };
    created(this);
  }

  /**
   * Waits for the lock and takes it for writing. Resolves to a guard, as with `Mutex.lock`.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the lock is not held, and readers that waited only for
   * this writer are admitted.
   *
   * **Ordering**: writers in the order of their calls.
   *
   * @see Go's [RWMutex.Lock](https://pkg.go.dev/sync#RWMutex.Lock)
   */
  lock(ctx?: Context): Promise<Disposable> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("lock", this, error);
    if (this.tryLock()) return resolved("lock", this, new WriteGuard(this, this.generation));
    return suspend(new Waiter(null), this.writersWaiting, ctx, "lock", this);
  }

  /**
   * Takes the lock for writing if it is free. Returns whether it was; false while any call waits.
   *
   * @see Go's [RWMutex.TryLock](https://pkg.go.dev/sync#RWMutex.TryLock)
   */
  tryLock(): boolean {
    if (this.writing || this.readers > 0) return false;
    this.write(null);
    return true;
  }

  /**
   * Ends the writing: admits all waiting readers; if there are none, the next writer.
   *
   * **Errors**: throws "sync: Unlock of unlocked RWMutex".
   *
   * @see Go's [RWMutex.Unlock](https://pkg.go.dev/sync#RWMutex.Unlock)
   */
  unlock(): void {
    if (!this.writing) panic("sync: Unlock of unlocked RWMutex", "unlock once for each lock or successful tryLock");
    note("unlock", this);
    this.writing = false;
    this.admitReaders();
    if (this.readers === 0) this.admitWriter();
  }

  /**
   * Waits for the lock and takes it for reading. Resolves to a guard that ends its own reading at most once. Without the guard, call
   * {@link rUnlock}.
   *
   * All readers of one RWMutex must unlock in the same way: all by guards, or all by `rUnlock`. Readers are only counted, so an `rUnlock`
   * does not know whose reading it ends. It makes the next guard of the current readers do nothing. In a mix a reading may stay open, and
   * then no writer gets in. Or the reading of a {@link tryRLock}, which has no guard, may end too early.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the lock is not held.
   *
   * @see Go's [RWMutex.RLock](https://pkg.go.dev/sync#RWMutex.RLock)
   */
  rLock(ctx?: Context): Promise<Disposable> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("rLock", this, error);
    if (this.mayRead()) {
      this.read(null);
      return resolved("rLock", this, new ReadGuard(this, this.generation));
    }
    return suspend(new Waiter(null), this.readersWaiting, ctx, "rLock", this);
  }

  /**
   * Takes the lock for reading if no writer holds it or waits for it. Returns whether it did.
   *
   * @see Go's [RWMutex.TryRLock](https://pkg.go.dev/sync#RWMutex.TryRLock)
   */
  tryRLock(): boolean {
    if (!this.mayRead()) return false;
    this.read(null);
    this.unguardedReaders++;
    return true;
  }

  /**
   * Ends one reading; after the last one, the next writer is admitted. It is for readers without a guard: if other readers use guards, a
   * reading may stay open or end too early, as {@link rLock} explains.
   *
   * **Errors**: throws "sync: RUnlock of unlocked RWMutex".
   *
   * @see Go's [RWMutex.RUnlock](https://pkg.go.dev/sync#RWMutex.RUnlock)
   */
  rUnlock(): void {
    if (this.readers === 0)
      panic(
        "sync: RUnlock of unlocked RWMutex",
        "rUnlock once for each rLock or successful tryRLock that no guard ends",
      );
    if (this.unguardedReaders > 0) this.unguardedReaders--;
    else this.voidGuards++;
    this.leave();
  }

  /** The lock and its state, such as `sync.RWMutex(2 readers, 1 waiting)`. */
  override toString(): string {
    const state = this.writing
      ? "locked"
      : this.readers > 0
        ? `${this.readers} reader${this.readers === 1 ? "" : "s"}`
        : "unlocked";
    const waiting = this.writersWaiting.count() + this.readersWaiting.count();
    return `sync.RWMutex(${state}${waiting > 0 ? `, ${waiting} waiting` : ""})`;
  }

  /** True if a reader may enter: no writer is there or waits. */
  private mayRead(): boolean {
    return !this.writing && this.writersWaiting.head === null;
  }

  /** Lets all waiting readers in. */
  private admitReaders(): void {
    for (let reader = this.readersWaiting.head; reader !== null;) {
      // A reader whose ctx has ended in this step is still in the queue, but must not be admitted.
      const isGone = isCancelled(reader);
      // A foreign context may do anything when it is asked, even lock.
      if (this.writing) return;
      if (reader.queue === null) {
        reader = this.readersWaiting.head;
        continue;
      }
      const { next } = reader;
      if (!isGone) {
        reader.withdraw();
        this.read(reader);
        wake(reader, new ReadGuard(this, this.generation));
      }
      reader = next;
    }
  }

  /** Lets the first waiting writer in, if the lock is free. */
  private admitWriter(): void {
    const writer = this.writersWaiting.head;
    if (this.writing || writer === null) return;
    this.write(writer);
    writer.withdraw();
    wake(writer, new WriteGuard(this, this.generation));
  }

  /** Takes the lock for writing: for the call that is under way, or for `waiter`. */
  private write(waiter: Waiter | null): void {
    this.writing = true;
    this.generation++;
    acquired(this, waiter);
  }

  /** The same for one reader. */
  private read(waiter: Waiter | null): void {
    if (this.readers++ === 0) this.generation++;
    acquired(this, waiter);
  }

  /** Ends one read lock. */
  private leave(): void {
    note("rUnlock", this);
    if (--this.readers > 0) return;
    this.voidGuards = this.unguardedReaders = 0;
    this.generation++;
    this.admitWriter();
  }

  /** @internal Called by a writer's guard: unlocks if it is of the current generation. */
  unlockIf(generation: number): void {
    if (this.writing && this.generation === generation) this.unlock();
  }

  /** @internal Called by a reader's guard, once: ends its reading, unless it is void or of an older generation. */
  rUnlockIf(generation: number): void {
    if (this.generation !== generation) return;
    if (this.voidGuards > 0) this.voidGuards--;
    else this.leave();
  }
}

class WriteGuard implements Disposable {
  private readonly mutex: RWMutex;
  private readonly generation: number;

  constructor(mutex: RWMutex, generation: number) {
    this.mutex = mutex;
    this.generation = generation;
  }

  [Symbol.dispose](): void {
    this.mutex.unlockIf(this.generation);
  }

  toJSON(): string {
    return `guard of ${this.mutex}`;
  }
}

class ReadGuard implements Disposable {
  private mutex: RWMutex | null;
  private readonly generation: number;

  constructor(mutex: RWMutex, generation: number) {
    this.mutex = mutex;
    this.generation = generation;
  }

  [Symbol.dispose](): void {
    this.mutex?.rUnlockIf(this.generation);
    this.mutex = null;
  }

  toJSON(): string {
    return `guard of ${this.mutex ?? "sync.RWMutex"}`;
  }
}
