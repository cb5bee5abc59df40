/**
 * A ring buffer: a queue of values in an array that wraps around, and grows when it is full.
 *
 * Invariants:
 * - `slots.length` is a power of two, so that `index & (slots.length - 1)` wraps around.
 * - The values are in `length` slots from `first` on. All others are undefined: the buffer retains nothing that was
 *   taken.
 */

export class RingBuffer<T> {
  /** The most values that the owner puts in. The buffer does not check it. */
  readonly capacity: number;
  length = 0;
  private slots: (T | undefined)[] = new Array(4);
  private first = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  push(value: T): void {
    if (this.length === this.slots.length) this.grow();
    this.slots[(this.first + this.length++) & (this.slots.length - 1)] = value;
  }

  /** Takes the oldest value. The buffer must not be empty. */
  shift(): T {
    const value = this.slots[this.first];
    this.slots[this.first] = undefined;
    this.first = (this.first + 1) & (this.slots.length - 1);
    this.length--;
    return value as T;
  }

  private grow(): void {
    const { slots, first, length } = this;
    const larger = new Array<T | undefined>(length * 2);
    for (let i = 0; i < length; i++) larger[i] = slots[(first + i) & (length - 1)];
    this.slots = larger;
    this.first = 0;
  }
}
