import { context, errgroup, sync, time } from "headgate";

const accounts = { a: { id: 1, lock: new sync.Mutex() }, b: { id: 2, lock: new sync.Mutex() } };

async function transfer(from, to) {
  // Code that needs two locks takes them in one order.
  const [first, second] = from.id < to.id ? [from, to] : [to, from];
  const one = await first.lock.lock();
  await time.sleep(5);
  const two = await second.lock.lock();
  two[Symbol.dispose]();
  one[Symbol.dispose]();
}

await errgroup.run(context.background(), (group) => {
  void group.go(() => transfer(accounts.a, accounts.b));
  void group.go(() => transfer(accounts.b, accounts.a));
});
console.log("both transfers have ended");
