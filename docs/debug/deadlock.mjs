import { go, sync, time } from "headgate";
import * as debug from "headgate/debug";

debug.onSignal("SIGQUIT");
debug.watch();

const accounts = { a: debug.name(new sync.Mutex(), "account a"), b: debug.name(new sync.Mutex(), "account b") };

async function transfer(from, to) {
  const source = await from.lock();
  await time.sleep(5); // it asks the bank
  const target = await to.lock();
  target[Symbol.dispose]();
  source[Symbol.dispose]();
}

go(() => transfer(accounts.a, accounts.b));
go(() => transfer(accounts.b, accounts.a));

setInterval(() => {}, 60_000); // a server, which keeps the process alive
setTimeout(() => process.kill(process.pid, "SIGQUIT"), 1_000); // you, after a minute: kill -QUIT, or Ctrl-\
setTimeout(() => process.exit(), 2_000);
