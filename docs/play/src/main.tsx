/**
 * The page "Stop it anywhere": its frame, its four views, and the keys that hold everywhere.
 */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ChannelsView } from "./channels/view.tsx";
import { ContextsView } from "./contexts/view.tsx";
import { type Path, usePath } from "./hash.ts";
import { Help } from "./help.tsx";
import { useKeys } from "./keys.ts";
import { ScheduleView } from "./schedule/view.tsx";
import { StopView } from "./stop/view.tsx";
import { text } from "./text.ts";
import { ThemeButton } from "./theme.tsx";

/** What a view gets: its part of the hash, and how to change it. */
export interface ViewProps {
  readonly path: Path;
  readonly go: (path: Path) => void;
}

const views = ["worker", "contexts", "channels", "schedule"] as const;
type View = (typeof views)[number];

const components = { worker: StopView, contexts: ContextsView, channels: ChannelsView, schedule: ScheduleView };

function viewOf([name]: Path): View {
  if (name === "transfer") return "worker";
  return views.find((view) => view === name) ?? "worker";
}

/** The path at which each view was left, so that a tab leads back to it. */
const left: Map<View, Path> = new Map();

function Tabs({ view, open }: { view: View; open: (view: View) => void }) {
  const moved = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = views[(views.indexOf(view) + by + views.length) % views.length]!;
    open(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Views" onKeyDown={moved}>
      {views.map((name, i) => (
        <button
          key={name}
          id={`tab-${name}`}
          role="tab"
          aria-selected={name === view}
          aria-controls="view"
          tabIndex={name === view ? 0 : -1}
          onClick={() => open(name)}
        >
          <span class="number">{i + 1}</span> {text.tabs[name]}
        </button>
      ))}
    </div>
  );
}

function Page() {
  const [path, go] = usePath();
  const [helps, setHelps] = useState(false);
  const view = viewOf(path);
  if (path.length > 0) left.set(view, path);
  const open = (name: View): void => go(left.get(name) ?? [name]);
  useEffect(() => {
    document.title = `${text.tabs[view]} · ${text.title}`;
  }, [view]);
  useKeys({
    ...Object.fromEntries(views.map((name, i) => [String(i + 1), () => open(name)])),
    "?": () => setHelps((shown) => !shown),
  });
  const View = components[view];
  return (
    <>
      <a
        class="skip"
        href="#view"
        onClick={(event) => (event.preventDefault(), document.getElementById("view")?.focus())}
      >
        Skip to the view
      </a>
      <header>
        <h1>
          <span class="brand">headgate</span> {text.title}
        </h1>
        <Tabs view={view} open={open} />
        <div class="tools">
          <ThemeButton />
          <button class="quiet" aria-haspopup="dialog" onClick={() => setHelps(true)}>
            <kbd aria-hidden="true">?</kbd> keys
          </button>
        </div>
      </header>
      <main>
        <div id="view" role="tabpanel" aria-labelledby={`tab-${view}`} tabIndex={-1} data-view={view}>
          <View path={path} go={go} />
        </div>
      </main>
      <footer>
        <p>{view === "contexts" ? text.live : text.honest}</p>
      </footer>
      {helps && <Help close={() => setHelps(false)} />}
    </>
  );
}

render(<Page />, document.getElementById("page")!);
