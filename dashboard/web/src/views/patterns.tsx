// What fails, and is not chance: the list of patterns, worst first.
import { useGet } from "../api/client";
import type { Pattern, Source, SourceStatus } from "../api/types";
import { Bar, Rate, scaleEnd } from "../charts/interval";
import { count, date, percent, ratio, time } from "../lib/format";
import { Empty, Link, Panel, Ready, Segmented, SeverityBadge, StatusBadges } from "../parts/ui";
import { useScope } from "../state/scope";
import { useUrl } from "../state/url";

const pageSize = 20;

export const countedOf = (p: Pattern) => ({
  failures: p.failure_count, trials: p.total_count, rate: p.failure_rate, lower: p.rate_lower, upper: p.rate_upper,
});

/** Where a pattern is shown; its source goes along where it is not the default one. */
export const placeOf = (id: number, source: string): string =>
  `/patterns/${id}${source === "" ? "" : `?source=${encodeURIComponent(source)}`}`;

export const nameOf = (p: Pattern): string => p.description ?? p.pattern_key;

export function PatternsView({ about }: { about: Source }) {
  const url = useUrl();
  const scope = useScope();
  const severity = url.get("severity");
  const status = url.get("status", "active");
  const offset = Math.max(0, Number(url.get("offset", "0")) || 0);
  // one more than is shown tells whether there is a next page
  const list = useGet<Pattern[]>("/analytics/failure-patterns", {
    severity, status, limit: pageSize + 1, offset, source: scope.source || about.source,
  });
  const state = useGet<SourceStatus[]>("/analytics/status");
  const mine = state.data?.find((s) => s.source === about.source);
  return (
    <>
      <header className="view-head">
        <h1>Failure patterns</h1>
        <p className="note">
          Combinations that fail more often than chance and simpler causes explain
          {mine !== undefined && <>, among {count(mine.observations)} judged segments{mine.last_refresh && <>. Refreshed {time(mine.last_refresh)}</>}</>}.
        </p>
      </header>
      {mine?.error && <div className="state problem" role="alert"><p className="state-title">The last refresh failed: {mine.error}</p></div>}
      <div className="filters" role="search" aria-label="What is shown">
        <div className="filters-row">
          <Segmented label="Status" value={status} onChange={(value) => url.set({ status: value === "active" ? null : value, offset: null })}
            options={[["active", "Active"], ["resolved", "Resolved"], ["inactive", "Inactive"], ["all", "All"]]} />
          <Segmented label="Severity" value={severity} onChange={(value) => url.set({ severity: value, offset: null })}
            options={[["", "Any"], ["high", "High"], ["medium", "Medium"], ["low", "Low"]]} />
        </div>
      </div>
      <Panel title="Worst first" className="flush">
        <Ready of={list} what="the patterns" lines={6}>
          {(patterns) => <PatternList patterns={patterns.slice(0, pageSize)} status={status} severity={severity} />}
        </Ready>
        {list.data !== undefined && (offset > 0 || list.data.length > pageSize) && (
          <nav className="pager" aria-label="Pages of patterns">
            {offset > 0 && <Link className="button" to={url.with({ offset: offset > pageSize ? String(offset - pageSize) : null })}>Previous</Link>}
            {list.data.length > pageSize && <Link className="button" to={url.with({ offset: String(offset + pageSize) })}>Next</Link>}
          </nav>
        )}
      </Panel>
    </>
  );
}

function PatternList({ patterns, status, severity }: { patterns: readonly Pattern[]; status: string; severity: string }) {
  const url = useUrl();
  if (patterns.length === 0) {
    return (
      <Empty title={severity === "" ? `No pattern is ${status === "all" ? "known" : status}` : `No ${severity} pattern is ${status === "all" ? "known" : status}`}>
        {status === "active" && severity === "" ? (
          <p>Nothing fails beyond chance. New scores are looked at within seconds; <Link to="/heatmap">the heatmap</Link> shows the rates meanwhile.</p>
        ) : (
          <Link className="button" to={url.with({ status: null, severity: null, offset: null })}>Show all active patterns</Link>
        )}
      </Empty>
    );
  }
  const most = scaleEnd(patterns.map((p) => p.rate_upper));
  return (
    <ul className="rows patterns">
      {patterns.map((p) => (
        <li key={p.id} className={`row sev-edge-${p.severity}`}>
          <div className="row-main">
            <Link className="row-title" to={placeOf(p.id, url.get("source"))}>{nameOf(p)}</Link>
            <div className="row-sub">
              <SeverityBadge severity={p.severity} />
              <StatusBadges pattern={p} />
              {p.last_occurrence && <span className="note">last on {date(p.last_occurrence)}</span>}
            </div>
          </div>
          <div className="row-figures">
            <Rate of={countedOf(p)} />
            <Bar of={{ rate: p.failure_rate, lower: p.rate_lower, upper: p.rate_upper }} most={most} mark={p.baseline_rate} tone={p.severity} />
            <span className="note">
              {p.risk_ratio !== null && <>{ratio(p.risk_ratio)} times the </>}
              {p.baseline_rate !== null && <>{percent(p.baseline_rate)} elsewhere</>}
            </span>
          </div>
        </li>
      ))}
    </ul>
  );
}
