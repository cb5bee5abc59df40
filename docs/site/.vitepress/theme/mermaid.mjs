/**
 * A picture in mermaid, drawn where it is read, in the colours of the theme. Without JavaScript its text is shown.
 */
import { useData, withBase } from "vitepress";
import { defineComponent, h, nextTick, onMounted, ref, watch } from "vue";

let count = 0;

/** One at a time: mermaid has one configuration for all. */
let last = Promise.resolve();

async function draw(text, isDark) {
  // As it is published: it need not be built again.
  const { default: mermaid } = await import(/* @vite-ignore */ withBase("/assets/mermaid/mermaid.esm.min.mjs"));
  mermaid.initialize({
    startOnLoad: false,
    theme: isDark ? "dark" : "neutral",
    themeVariables: { edgeLabelBackground: isDark ? "#1b1b1f" : "#ffffff" },
    securityLevel: "strict",
    fontFamily: "inherit",
  });
  const { svg } = await mermaid.render(`picture-${++count}`, text);
  return legible(svg);
}

/** No smaller than that its text can be read: on a narrow screen it scrolls instead. */
const legible = (svg) =>
  svg.replace(/max-width: ([\d.]+)px;/, (text, width) => `${text} min-width: ${Math.round(width * 0.62)}px;`);

export default defineComponent({
  props: { code: { type: String, required: true } },
  setup(props) {
    const { isDark } = useData();
    const svg = ref("");
    const text = decodeURIComponent(props.code);
    function update() {
      last = last.then(async () => {
        svg.value = await draw(text, isDark.value);
        await nextTick();
      });
      return last;
    }
    onMounted(() => {
      void update();
      watch(isDark, update);
    });
    return () =>
      svg.value === ""
        ? h("pre", { class: "mermaid-text", tabindex: 0 }, text)
        : h("div", {
            class: "mermaid",
            role: "img",
            tabindex: 0,
            "aria-label": `Picture: ${text}`,
            innerHTML: svg.value,
          });
  },
});
