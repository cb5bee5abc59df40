/** What every browser has and jsdom lacks: the sources of brokers make text of bytes. */
const { TextDecoder, TextEncoder } = require("node:util");
Object.assign(globalThis, { TextDecoder, TextEncoder });
