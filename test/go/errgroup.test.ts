/** What Go's own tests of errgroup pin, in our words. */
import { createHash } from "node:crypto";
import { Chan, context, errgroup, select, sending } from "headgate";
import { describe, expect, it } from "vitest";
import { settle, virtualTime } from "../support/clock.ts";

virtualTime();

/** What `wait` reports: the error, or undefined. */
const outcome = (group: errgroup.Group): Promise<unknown> =>
  group.wait().then(
    () => undefined,
    (error: unknown) => error,
  );

const [first, second] = [new Error("first"), new Error("second")];
/** Sequences of what tasks end with, undefined being success, and what the group then reports. */
const sequences: [errors: (Error | undefined)[], reported: Error | undefined][] = [
  [[], undefined],
  [[undefined], undefined],
  [[first], first],
  [[first, undefined], first],
  [[first, undefined, second], first],
  [[undefined, first, second], first],
];

const ending = (error: Error | undefined) => () => (error === undefined ? undefined : Promise.reject(error));

describe("errgroup", () => {
  it("a zero group keeps its first error for ever (E1, E8) [errgroup/errgroup_test.go TestZeroGroup]", async () => {
    for (const [errors] of sequences) {
      const group = new errgroup.Group();
      let seen: Error | undefined;
      for (const error of errors) {
        await group.go(ending(error));
        seen ??= error;
        expect(await outcome(group)).toBe(seen);
      }
    }
  });

  it("after wait the context is done, error or not (E6) [errgroup/errgroup_test.go TestWithContext]", async () => {
    for (const [errors, reported] of sequences) {
      const [group, ctx] = errgroup.withContext(context.background());
      for (const error of errors) void group.go(ending(error));
      expect(await outcome(group)).toBe(reported);
      expect(ctx.err()).toBeInstanceOf(context.Canceled);
      expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    }
  });

  it("tryGo starts as many as the limit allows (E14, E15) [errgroup/errgroup_test.go TestTryGo]", async () => {
    const group = new errgroup.Group();
    const limit = 42;
    group.setLimit(limit);
    const release = new Chan<never>();
    for (let round = 0; round < 2; round++) {
      let ran = 0;
      const task = async (): Promise<void> => {
        ran++;
        if (round === 0) await release.recv();
      };
      for (let i = 0; i < limit; i++) expect(group.tryGo(task)).toBe(true);
      expect(group.tryGo(task)).toBe(false);
      if (round === 0) release.close();
      await group.wait();
      expect(ran).toBe(limit);
    }
    group.setLimit(1);
    expect(group.tryGo(() => {})).toBe(true);
    expect(group.tryGo(() => {})).toBe(false);
    await group.wait();
    group.setLimit(0);
    for (let i = 0; i < 1024; i++) expect(group.tryGo(() => {})).toBe(false);
    await group.wait();
  });

  it("of 1025 tasks at most the limit are active (E14) [errgroup/errgroup_test.go TestGoLimit]", async () => {
    const group = new errgroup.Group();
    group.setLimit(10);
    let active = 0;
    let most = 0;
    let ran = 0;
    for (let i = 0; i <= 1024; i++) {
      await group.go(async () => {
        most = Math.max(most, ++active);
        ran++;
        await settle();
        active--;
      });
    }
    await group.wait();
    expect([most, ran]).toEqual([10, 1025]);
  });

  it("the cause is the first error, or else Canceled (E5) [errgroup/errgroup_test.go TestCancelCause]", async () => {
    for (const [errors, reported] of sequences) {
      const [group, ctx] = errgroup.withContext(context.background());
      for (const error of errors) expect(group.tryGo(ending(error))).toBe(true);
      expect(await outcome(group)).toBe(reported);
      expect(context.cause(ctx)).toBe(reported ?? ctx.err());
      expect(ctx.err()).toBeInstanceOf(context.Canceled);
    }
  });

  it("a group may be there for its error only (E1) [errgroup/errgroup_test.go ExampleGroup_justErrors]", async () => {
    const fetched: string[] = [];
    const get = async (url: string): Promise<void> => {
      await settle();
      if (url.endsWith("missing")) throw new Error(`no such host: ${url}`);
      fetched.push(url);
    };
    for (const [urls, expected] of [
      [["/go", "/google"], undefined],
      [["/go", "/missing", "/google"], new Error("no such host: /missing")],
    ] as const) {
      const group = new errgroup.Group();
      for (const url of urls) await group.go(() => get(url));
      expect(await outcome(group)).toEqual(expected);
    }
    expect(fetched).toEqual(["/go", "/google", "/go", "/google"]);
  });

  it("results come in the order of the searches [errgroup/errgroup_test.go ExampleGroup_parallel]", async () => {
    const google = (query: string): Promise<string[]> =>
      errgroup.run(context.background(), (group) => {
        const results: string[] = [];
        for (const [i, search] of ["web", "image", "video"].entries()) {
          void group.go(async () => {
            for (let turns = 3 - i; turns > 0; turns--) await settle();
            results[i] = `${search} result for ${query}`;
          });
        }
        return results;
      });
    expect(await google("golang")).toEqual(["web", "image", "video"].map((kind) => `${kind} result for golang`));
  });

  describe("a pipeline of a walk, twenty digesters and a collector", () => {
    const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
    const files = new Map(Array.from({ length: 200 }, (_, i) => [`file ${i}`, `text ${i}`]));

    /** The digest of every file, or the first error: the context of the group ends all stages then. */
    async function digestAll(
      parent: context.Context,
      read: (path: string) => Promise<string>,
    ): Promise<Map<string, string>> {
      const [group, ctx] = errgroup.withContext(parent);
      const paths = new Chan<string>();
      const digests = new Chan<readonly [path: string, sum: string]>();
      void group.go(async () => {
        try {
          for (const path of files.keys()) {
            const got = await select({ sent: sending(paths, path), done: ctx.done() });
            if (got.case === "done") throw ctx.err();
          }
        } finally {
          paths.close();
        }
      });
      for (let i = 0; i < 20; i++) {
        void group.go(async () => {
          for await (const path of paths) await digests.send([path, md5(await read(path))], ctx);
        });
      }
      const ended = outcome(group).then(() => digests.close());
      const sums = new Map<string, string>();
      for await (const [path, sum] of digests) sums.set(path, sum);
      await ended;
      await group.wait();
      return sums;
    }

    it("gives every result [errgroup/errgroup_example_md5all_test.go ExampleGroup_pipeline]", async () => {
      const sums = await digestAll(context.background(), async (path) => files.get(path)!);
      expect(sums.size).toBe(files.size);
      for (const [path, text] of files) expect(sums.get(path)).toBe(md5(text));
    });

    it("ends all its stages with the first error (E5)", async () => {
      let reads = 0;
      const failing = digestAll(context.background(), async (path) => {
        reads++;
        if (path === "file 30") throw new Error("unreadable");
        return files.get(path)!;
      });
      await expect(failing).rejects.toThrow("unreadable");
      const before = reads;
      await settle();
      expect(reads).toBe(before);
      expect(reads).toBeLessThan(files.size);
    });
  });
});
