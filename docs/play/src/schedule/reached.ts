/**
 * The line of the catalogue that the running code has reached last. The build puts these calls into it: see `listings.mjs`.
 */
let reached = 0;

/** The code waits in this line now. */
export function at(line: number): true {
  reached = line;
  return true;
}

/** The same for each value that a loop asks for. */
export function each<T>(line: number, values: AsyncIterable<T>): AsyncIterable<T> {
  const iterator = values[Symbol.asyncIterator]();
  const next = iterator.next.bind(iterator);
  iterator.next = () => {
    at(line);
    return next();
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

/** The line that was reached since the last call; 0: none. */
export function takeLine(): number {
  const line = reached;
  reached = 0;
  return line;
}
