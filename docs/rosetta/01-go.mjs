/** The go statement */
// #region show
const done = (async () => "hello from a task")();
console.log(await done);
// #endregion
