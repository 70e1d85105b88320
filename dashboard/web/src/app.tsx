// The frame around the views: where one is, where one can go, and how it looks.
import { useEffect, useRef } from "react";
import type { Source, SourceStatus } from "./api/types";
import { useGet } from "./api/client";
import { Choice, Empty, Link, Ready } from "./parts/ui";
import { setTheme, useLook, type Theme } from "./state/look";
import { useScope, useSource } from "./state/scope";
import { useUrl } from "./state/url";
import { ChangesView } from "./views/changes";
import { HeatmapView } from "./views/heatmap";
import { PatternView } from "./views/pattern";
import { PatternsView } from "./views/patterns";
import { SceneView } from "./views/scene";

const places = [
  ["/heatmap", "Heatmap"],
  ["/patterns", "Patterns"],
  ["/changes", "Changes"],
  ["/scene", "Plan a scene"],
] as const;

function View({ path, about }: { path: string; about: Source }) {
  const pattern = /^\/patterns\/(\d+)$/.exec(path);
  if (pattern !== null) return <PatternView key={pattern[1]} id={Number(pattern[1])} about={about} />;
  if (path === "/" || path === "/heatmap") return <HeatmapView about={about} />;
  if (path === "/patterns") return <PatternsView about={about} />;
  if (path === "/changes") return <ChangesView about={about} />;
  if (path === "/scene") return <SceneView about={about} />;
  return (
    <>
      <h1>Not found</h1>
      <Empty title={`There is no page ${path}`}><Link className="button" to="/heatmap">Go to the heatmap</Link></Empty>
    </>
  );
}

function Sources({ current }: { current: string }) {
  const url = useUrl();
  const status = useGet<SourceStatus[]>("/analytics/status");
  const names = (status.data ?? []).map((s) => s.source);
  if (names.length < 2) return null;
  return (
    <Choice label="Source" value={current} options={names.map((n) => [n, n] as const)}
      onChange={(value) => {
        // another source has other dimensions: nothing else of the address holds for it
        const clean = Object.fromEntries([...url.params.keys()].map((k) => [k, null]));
        url.set({ ...clean, source: value });
      }} />
  );
}

const nextTheme: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const themeWord: Record<Theme, string> = { system: "Automatic", light: "Light", dark: "Dark" };

function ThemeButton() {
  const { theme } = useLook();
  return (
    <button type="button" className="button quiet theme" onClick={() => setTheme(nextTheme[theme])}
      aria-label={`Appearance: ${themeWord[theme]}. Change to ${themeWord[nextTheme[theme]]}.`} title={`Appearance: ${themeWord[theme]}`}>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" strokeWidth="1.5" />
        {theme === "dark" && <circle cx="8" cy="8" r="6" fill="currentColor" />}
        {theme === "system" && <path d="M8,2 A6,6 0 0 1 8,14 Z" fill="currentColor" />}
      </svg>
      <span>{themeWord[theme]}</span>
    </button>
  );
}

export function App() {
  const url = useUrl();
  const { source } = useScope();
  const about = useSource(source);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const here = places.find(([path]) => url.path === path || url.path.startsWith(`${path}/`)) ?? (url.path === "/" ? places[0] : undefined);
  const keep = source === "" ? "" : `?source=${encodeURIComponent(source)}`;

  useEffect(() => {
    document.title = `${here?.[1] ?? "Not found"} · failpat`;
  }, [here]);
  useEffect(() => {
    // a new page is where reading begins, as it is when a browser loads one
    if (!first.current) {
      main.current?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    first.current = false;
  }, [url.path]);

  return (
    <>
      <a className="skip" href="#main">Skip to the content</a>
      <header className="top">
        <div className="top-in">
          <Link className="brand" to={`/heatmap${keep}`} aria-label="failpat, to the heatmap">
            <svg width="18" height="18" viewBox="0 0 16 16" aria-hidden="true">
              <rect x="1" y="1" width="6" height="6" rx="1.2" className="b1" /><rect x="9" y="1" width="6" height="6" rx="1.2" className="b2" />
              <rect x="1" y="9" width="6" height="6" rx="1.2" className="b2" /><rect x="9" y="9" width="6" height="6" rx="1.2" className="b3" />
            </svg>
            failpat
          </Link>
          <nav className="places" aria-label="Pages">
            {places.map(([path, name]) => (
              <Link key={path} to={path + keep} aria-current={here?.[0] === path ? "page" : undefined}>{name}</Link>
            ))}
          </nav>
          <div className="top-end">
            <Sources current={about.data?.source ?? source} />
            <ThemeButton />
          </div>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Ready of={about} what="the source" lines={8}>
          {(data) => <View path={url.path} about={data} />}
        </Ready>
      </main>
    </>
  );
}
