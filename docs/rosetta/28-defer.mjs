/** defer */

const steps = [];
const open = () => {
  steps.push("open");
  return { close: () => steps.push("close") };
};
// #region show
const file = open();
try {
  steps.push("work");
} finally {
  file.close();
}
// #endregion
console.log(steps.join(" "));
