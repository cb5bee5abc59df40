/**
 * The browser of the checks: CHROMIUM, or what is installed. It reaches nothing but the loopback address.
 */
import { existsSync } from "node:fs";
import process from "node:process";

/** Resolves to a started Chromium, or to the reason why there is none. */
export async function browserOrReason() {
  const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) return { reason: "there is no chromium: apt-get install chromium" };
  const { chromium } = await import("playwright-core");
  const args = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];
  try {
    return { browser: await chromium.launch({ executablePath, args }) };
  } catch (error) {
    return { reason: `${executablePath} does not start here: ${error.message.split("\n")[0]}` };
  }
}
