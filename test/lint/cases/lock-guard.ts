import { sync, type semaphore } from "headgate";

let total = 0;

export async function dropped(mu: sync.Mutex, rw: sync.RWMutex) {
  await mu.lock(); // ! lock-guard dropped
  total++;
  mu.unlock();
  await rw.rLock(); // ! lock-guard dropped
  total++;
  rw.rUnlock();
}

export async function unused(mu: sync.Mutex) {
  const guard = await mu.lock(); // ! lock-guard unused
  total++;
}

export async function wrongOne(rw: sync.RWMutex, mu: sync.Mutex) {
  await rw.rLock(); // ! lock-guard dropped
  try {
    total++;
  } finally {
    rw.unlock();
    mu.unlock();
  }
}

export async function inAnotherFunction(mu: sync.Mutex) {
  await mu.lock(); // ! lock-guard dropped
  return () => {
    try {
      total++;
    } finally {
      mu.unlock();
    }
  };
}

export async function before(mu: sync.Mutex) {
  using _ = await mu.lock();
  try {
    total++;
  } finally {
    mu.unlock();
  }
  await mu.lock(); // ! lock-guard dropped
}

export async function guarded(mu: sync.Mutex, rw: sync.RWMutex) {
  using _ = await mu.lock();
  using reading = await rw.rLock();
  return reading;
}

export async function inFinally(mu: sync.Mutex) {
  await mu.lock();
  try {
    total++;
  } finally {
    mu.unlock();
  }
}

export async function inside(mu: sync.Mutex, isOn: boolean) {
  try {
    await mu.lock();
    if (isOn) return;
    total++;
  } finally {
    mu.unlock();
  }
}

export async function disposed(mu: sync.Mutex) {
  const guard = await mu.lock();
  total++;
  guard[Symbol.dispose]();
}

export async function returned(mu: sync.Mutex) {
  return await mu.lock();
}

export async function units(memory: semaphore.Weighted) {
  await memory.acquire(3);
  setTimeout(() => memory.release(3));
}

export class Account {
  private readonly mutex = new sync.Mutex();
  async add() {
    await this.mutex.lock();
    try {
      total++;
    } finally {
      this.mutex.unlock();
    }
    await this.mutex.lock(); // ! lock-guard dropped
  }
}
