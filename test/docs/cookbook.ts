/**
 * The recipes of docs/cookbook.md.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Context } from "headgate";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "docs/cookbook");

export interface Recipe {
  readonly file: string;
  /** What the page shows. */
  readonly code: string;
  /** Uses the recipe, and checks what must hold however it ends. */
  readonly demo: (ctx: Context, log: (text: unknown) => void) => Promise<void>;
  /** What the demo says if it is not cancelled. */
  readonly prints: readonly string[];
}

export const page: string = readFileSync(join(root, "docs/cookbook.md"), "utf8");

export const recipes: readonly Recipe[] = await Promise.all(
  readdirSync(folder)
    .sort()
    .map(async (file) => {
      const code = /\/\/ #region recipe\n([^]*?)\n\/\/ #endregion/.exec(readFileSync(join(folder, file), "utf8"))![1]!;
      const { demo, prints } = (await import(pathToFileURL(join(folder, file)).href)) as Recipe;
      return { file, code, demo, prints };
    }),
);
