import { Chan, context, type Context } from "headgate";

export class Kept {
  private readonly ctx: Context; // ! ctx-in-class kept
  readonly #parent: Context | undefined; // ! ctx-in-class kept
  private readonly root = context.background(); // ! ctx-in-class kept
  private readonly jobs = new Chan<number>();
  constructor(
    ctx: Context,
    readonly life: Context, // ! ctx-in-class kept
  ) {
    this.ctx = ctx;
  }
  work(ctx: Context) {
    return [this.jobs.recv(ctx), this.#parent, this.root, this.ctx];
  }
}
