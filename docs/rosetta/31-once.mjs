/** sync.Once */

let loads = 0;
const load = () => ++loads;
// #region show
let loaded;
const config = () => (loaded ??= load());
config();
config();
// #endregion
console.log("loaded", loads, "time");
