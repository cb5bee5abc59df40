/** defer */

const steps: string[] = [];
const open = (): Disposable => {
  steps.push("open");
  return {
    [Symbol.dispose]: () =>
      void steps.push("close"),
  };
};
// #region show
{
  using _ = open();
  steps.push("work");
}
// #endregion
console.log(steps.join(" "));
export {};
