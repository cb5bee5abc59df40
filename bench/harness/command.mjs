/**
 * The command line of every program here: its options, its help, its errors, and the end of a closed output.
 */
import { existsSync } from "node:fs";
import process from "node:process";

/**
 * The options, as `optionsOf` reads them from the command line. `--help` prints `help` and ends the process. An error of `optionsOf` is
 * printed as a sentence, and ends it. From now on the process also ends quietly when its output is closed, as in `| head`.
 */
export function command(optionsOf, help) {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (error.code !== "EPIPE") throw error;
      process.exit();
    });
  }
  let options;
  try {
    const kept = keptByNpm(help);
    if (kept !== undefined)
      throw new Error(`npm has kept ${kept} to itself: options come behind a --, as in npm run ${SCRIPT} -- ${kept}`);
    options = optionsOf(process.argv.slice(2));
  } catch (error) {
    // What Node adds to an unknown option is for programs that have others.
    fail(`${error.message.split(". To specify")[0]}\n--help tells what there is`);
  }
  if (options.help) {
    console.log(help);
    process.exit();
  }
  return options;
}

/** The script of package.json that runs this, where one does. */
const SCRIPT = process.env.npm_lifecycle_event ?? "bench";

/** The first of the options in a help that npm was given, and not its script. It tells the script so by the environment. */
const keptByNpm = (help) =>
  [...help.matchAll(/^ {2}(--([\w-]+))/gm)]
    .filter(([, , name]) => name !== "save" && process.env[`npm_config_${name.replaceAll("-", "_")}`] === "true")
    .map(([, option]) => option)[0];

/** Ends the process with a sentence. */
export function fail(reason) {
  console.error(reason);
  process.exit(2);
}

/** headgate is imported as it is published. */
export function needsBuild() {
  if (!existsSync(new URL("../../dist/index.js", import.meta.url))) fail("headgate is not built: npm run build");
}

/** "--rounds takes …" for what is not 1 or more, without a fraction. */
export function whole(name, text) {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new Error(`--${name} takes a whole number of 1 or more, not "${text}"`);
}

/** What npm makes of `npm run bench --only X`: it keeps the option to itself, and passes on its value. */
export const noPositionals = ([first], script) => {
  if (first === undefined) return;
  throw new Error(`there is nothing called "${first}"; options come behind a --: npm run ${script} -- --help`);
};
