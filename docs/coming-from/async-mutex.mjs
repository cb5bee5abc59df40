import { Mutex, withTimeout } from "async-mutex";

const lock = withTimeout(new Mutex(), 5); // the time belongs to the lock, and is the same for all callers
const release = await lock.acquire();
await lock.acquire().catch((error) => console.log(error.message)); // => timeout while waiting for mutex to become available
release();
