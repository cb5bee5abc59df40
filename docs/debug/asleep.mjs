import { Chan } from "headgate";
import * as debug from "headgate/debug";

debug.onExit();
debug.watch();

async function main() {
  const letters = debug.name(new Chan(), "letters");
  await letters.send("a letter"); // the only receiver is a line below
  console.log(await letters.recv());
}
await main();
