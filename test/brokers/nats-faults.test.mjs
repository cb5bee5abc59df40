/** headgate/worker/nats in processes that are stopped, killed, frozen and cut off, and a server that is. */
import { survivesFaults } from "./faults/tests.mjs";

await survivesFaults("nats");
