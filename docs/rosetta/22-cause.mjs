/** WithCancelCause, Cause */
// #region show
const controller = new AbortController();
controller.abort(new Error("disk full"));
const why = controller.signal.reason;
console.log(why.message);
// #endregion
