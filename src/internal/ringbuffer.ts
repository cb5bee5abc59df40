/**
 * A ring buffer: values, first in, first out.
 *
 * Invariants:
 * - `slots.length` is a power of two, so that `index & (slots.length - 1)` wraps around.
 * - The values are in `length` slots from `first` on. All others are undefined: the buffer retains nothing that was taken.
 */

/** Values in the order of their coming, in an array whose size is a power of two and grows with the need. */
export class RingBuffer<T> {
  /** How many the owner wants to hold at most. */
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

  /** The oldest value; its slot is cleared, so that the ring retains nothing. Not to be called when empty. */
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
