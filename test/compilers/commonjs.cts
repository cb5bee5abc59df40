import { Chan, context } from "headgate";

const ch = new Chan<string>(1);
async function main(): Promise<void> {
  await ch.send("by require", context.background());
  console.log((await ch.recv())[0]);
}
void main();
