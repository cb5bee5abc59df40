import { Chan, context, errgroup } from "headgate";
import { memoryBroker, worker } from "headgate/worker";

const [group, ctx] = errgroup.withContext(context.background());
const ch = new Chan<string>();
void group.go(() => ch.send("by ts-node", ctx));
const [said] = await ch.recv();
await group.wait();
const broker = memoryBroker<string>();
await broker.publish("one");
broker.end();
const { acked } = await worker(context.background(), broker, () => {});
console.log(said, acked);
