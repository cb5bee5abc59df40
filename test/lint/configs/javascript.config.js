import headgate from "headgate/eslint";

export default [headgate.configs.recommended];
