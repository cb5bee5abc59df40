/** The demo on RabbitMQ: by one process, by two, and by one that cannot get there. */
import { isDemonstrated } from "./demo.mjs";

await isDemonstrated("rabbitmq", (url) => url.replace(/\/\/.*@|\/\//, "//guest:geheim@"));
