/** The demo on NATS JetStream: by one process, by two, and by one that cannot get there. */
import { isDemonstrated } from "./demo.mjs";

await isDemonstrated("nats");
