/** The demo on the broker that the first argument names: by one process, by two, and by one that cannot get there. */
import process from "node:process";
import { isDemonstrated } from "./demo.mjs";

const [, , name] = process.argv;
const withWrongPassword = (url) => url.replace(/\/\/.*@|\/\//, "//guest:geheim@");

await isDemonstrated(name, ["rabbitmq", "redis"].includes(name) ? withWrongPassword : undefined);
