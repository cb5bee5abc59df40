/**
 * VitePress's own theme, with colours of enough contrast, and pictures.
 */
import DefaultTheme from "vitepress/theme-without-fonts";
import Mermaid from "./mermaid.mjs";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => app.component("Mermaid", Mermaid),
};
