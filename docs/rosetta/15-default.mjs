/** default */

const queue = [];
// #region show
if (queue.length > 0) console.log(queue.shift());
else console.log("nothing yet");
// #endregion
