/** The clients of the brokers. They are installed where the sources are tested with them, and headgate does not depend on any. */
import { createRequire } from "node:module";
import { say } from "./display.ts";

/** As seen from where this is compiled to. */
const folder = new URL("../../../test/brokers/", import.meta.url);

/** Installs them if they are missing. Resolves to whether they are there. */
export async function installClients(): Promise<boolean> {
  const { install } = (await import(new URL("install.mjs", folder).href)) as {
    install: (tell: (line: string) => void) => Promise<boolean>;
  };
  return install(say);
}

/** Loads one, as what the caller needs of it. */
export function load<T>(name: string): T {
  return createRequire(folder)(name) as T;
}
