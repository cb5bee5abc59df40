/** The demo on Redis: by one process, by two, and by one that cannot get there. */
import { isDemonstrated } from "./demo.mjs";

await isDemonstrated("redis", (url) => url.replace(/\/\/.*@|\/\//, "//guest:geheim@"));
