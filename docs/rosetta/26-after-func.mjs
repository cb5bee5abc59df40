/** AfterFunc */

const controller = new AbortController();
const { signal } = controller;
let text;
// #region show
const close = () => {
  text = "closed";
};
if (signal.aborted) close();
signal.addEventListener("abort", close, {
  once: true,
});
controller.abort();
signal.removeEventListener("abort", close);
// #endregion
console.log(text);
