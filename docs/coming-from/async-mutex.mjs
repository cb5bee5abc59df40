import { Mutex, withTimeout } from "async-mutex";

// the time belongs to the lock, and is the same for all callers
const lock = withTimeout(new Mutex(), 5);
const release = await lock.acquire();
await lock.acquire().catch((error) => console.log(error.message));
// => timeout while waiting for mutex to become available
release();
