/** The demo on the emulator of Google Cloud Pub/Sub: by one process, by two, and by one that cannot get there. */
import { isDemonstrated } from "./demo.mjs";

await isDemonstrated("pubsub");
