import { type Context, errgroup } from "headgate";

export function forgotten(ctx: Context) {
  const [group, derived] = errgroup.withContext(ctx); // ! group-wait missing
  void group.go(() => derived.err());
  const plain = new errgroup.Group(); // ! group-wait missing
  plain.setLimit(2);
  plain.tryGo(() => {});
}

export async function waited(ctx: Context) {
  const [group] = errgroup.withContext(ctx);
  void group.go(() => {});
  await group.wait();
  const later = new errgroup.Group();
  void later.go(() => {});
  return () => later.wait();
}

export function handedOn(ctx: Context, use: (group: errgroup.Group) => void) {
  const [group] = errgroup.withContext(ctx);
  void group.go(() => {});
  use(group);
  const returned = new errgroup.Group();
  void returned.go(() => {});
  return returned;
}

export function unused() {
  const group = new errgroup.Group();
  return String(group) === "";
}

export async function given(group: errgroup.Group) {
  void group.go(() => {});
  await errgroup.run((await import("headgate")).context.background(), (scope) => void scope.go(() => {}));
}
