/** A source in processes that are stopped, killed, frozen and cut off, and a server that is. The first argument names the broker. */
import process from "node:process";
import { survivesFaults } from "./faults/tests.mjs";

const [, , name] = process.argv;

await survivesFaults(name);
