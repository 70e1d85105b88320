// What got worse or better, since when, and what most probably did it.
import { useMemo } from "react";
import { useGet } from "../api/client";
import type { Change, Counted, Fix, PlatformEvent, Source, TrendPoint } from "../api/types";
import { Bar, Rate, scaleEnd } from "../charts/interval";
import { Trend, type Marker } from "../charts/trend";
import { date, percent, plural, small, titleOf } from "../lib/format";
import { Filters } from "../parts/filters";
import { Choice, Empty, Link, Panel, Ready, Segmented } from "../parts/ui";
import { useScope } from "../state/scope";
import { useUrl } from "../state/url";
import { TrendTable } from "./trend_table";

const side = (c: Change, when: "before" | "after"): Counted => ({
  failures: c[`failures_${when}`], trials: c[`trials_${when}`], rate: c[`rate_${when}`],
  lower: c[`rate_${when}_lower`], upper: c[`rate_${when}_upper`],
});

const seriesName = (c: Change, about: Source): string =>
  c.dimension === null ? "Everything that is shown" : `${titleOf(about.dimensions, c.dimension)} ${c.label ?? c.value ?? ""}`;

export function Direction({ of }: { of: Change }) {
  const worse = of.direction === "regression";
  return (
    <span className={`badge ${worse ? "worse" : "better"}`}>
      <svg width="9" height="9" viewBox="0 0 9 9" aria-hidden="true"><path d={worse ? "M4.5,0 L9,8 L0,8 Z" : "M0,1 L9,1 L4.5,9 Z"} /></svg>
      {of.kind === "spike" ? "Spike" : worse ? "Regression" : "Improvement"}
    </span>
  );
}

function Event({ of }: { of: Change }) {
  const others = (of.events ?? []).filter((e) => e.label !== of.event?.label);
  const likely = of.event !== null && of.event.posterior > (of.none_posterior ?? 0);
  return (
    <div className="cause">
      <span className="label">{likely || of.event === null ? "Most probable cause" : "No known event is likely; the closest is"}</span>
      {of.event === null ? (
        <span>No known event fits{of.none_posterior !== null && <span className="note"> ({percent(of.none_posterior)} that none is)</span>}</span>
      ) : (
        <span>{likely ? <b>{of.event.label}</b> : of.event.label} <span className="note">{date(of.event.at)} · {percent(of.event.posterior)} probable{of.event.origin === "inferred" && ", seen in the data only"}</span></span>
      )}
      {others.length > 0 && (
        <details className="more"><summary>{plural(others.length, "other event")}</summary>
          <ul>{others.map((e, i) => <li key={i}>{e.label} <span className="note">{date(e.at)} · {percent(e.posterior)}</span></li>)}</ul>
        </details>
      )}
    </div>
  );
}

export function ChangeList({ changes, about, link }: { changes: readonly Change[]; about: Source; link?: (c: Change) => string }) {
  const url = useUrl();
  const most = scaleEnd(changes.flatMap((c) => [c.rate_before_upper, c.rate_after_upper]));
  return (
    <ul className="rows changes">
      {changes.map((c) => {
        const current = link !== undefined && url.get("change") === c.change_key;
        return (
          <li key={c.change_key} className={`row ${current ? "is-current" : ""}`}>
            <div className="row-main">
              <div className="row-sub">
                <Direction of={c} />
                <span className="when">{date(c.at)}</span>
                {c.at_lower !== c.at_upper && <span className="note">between {date(c.at_lower)} and {date(c.at_upper)}</span>}
              </div>
              {link === undefined ? <span className="row-title">{c.reading}</span> : (
                <>
                  <Link className="row-title" to={link(c)} aria-current={current || undefined}>{seriesName(c, about)}</Link>
                  <p className="reading">{c.reading}</p>
                </>
              )}
              <Event of={c} />
              <div className="row-sub">
                {c.provisional && <span className="badge candidate">May yet turn out to be a spike</span>}
                {c.threshold_edit && <span className="badge candidate">A threshold was edited: the rate moved, quality did not</span>}
                {c.low_counts && <span className="badge candidate">Few counts, figures are rough</span>}
                {c.gap && <span className="badge candidate">Nothing was judged just before</span>}
              </div>
            </div>
            <div className="row-figures pair">
              <span className="label">Before</span><Rate of={side(c, "before")} />
              <Bar of={side(c, "before")} most={most} />
              <span className="label">After</span><Rate of={side(c, "after")} />
              <Bar of={side(c, "after")} most={most} tone={c.direction === "regression" ? "high" : "low"} />
              <span className="note">q {small(c.q_value).startsWith("<") ? small(c.q_value) : `= ${small(c.q_value)}`}</span>
            </div>
          </li>
        );
      })}
    </ul>
  );
}

export function ChangesView({ about }: { about: Source }) {
  const url = useUrl();
  const scope = useScope();
  const over = url.get("by", "all");
  const direction = url.get("direction");
  const folded = url.get("folded") === "1";
  const filter = Object.keys(scope.filter).length > 0 ? JSON.stringify(scope.filter) : undefined;
  const common = { since: scope.since, until: scope.until, check: scope.check, source: scope.source };
  const changes = useGet<Change[]>("/analytics/changes", {
    ...common, filter, ...(over === "all" ? { all: true } : over === "one" ? {} : { dimension: over }),
  });
  const chosen = changes.data?.find((c) => c.change_key === url.get("change"));
  const shown = useMemo(
    () => (changes.data ?? []).filter((c) => (direction === "" || c.direction === direction) && (folded || c.part_of === null)),
    [changes.data, direction, folded],
  );
  const hidden = (changes.data ?? []).filter((c) => (direction === "" || c.direction === direction) && c.part_of !== null).length;
  const series = JSON.stringify({ ...scope.filter, ...(chosen?.conditions ?? {}) });
  return (
    <>
      <header className="view-head">
        <h1>What got worse or better</h1>
        <p className="note">Changes of the failure rate that chance does not explain, with the event that most probably caused each.</p>
      </header>
      <Filters about={about}>
        <Choice label="Series" value={over} onChange={(value) => url.set({ by: value === "all" ? null : value, change: null })}
          options={[["all", "Everything, and each value"], ["one", "Everything together"], ...about.dimensions.map((d) => [d.name, `Each ${d.title}`] as const)]} />
      </Filters>
      <SeriesTrend title={chosen === undefined ? "Everything that is shown" : seriesName(chosen, about)} filter={series} common={common} />
      <Panel title="Changes" className="flush"
        actions={<Segmented label="Direction" value={direction} onChange={(value) => url.set({ direction: value })}
          options={[["", "Both"], ["regression", "Regressions"], ["improvement", "Improvements"]]} />}>
        <Ready of={changes} what="the changes" lines={6}>
          {() => (
            <>
              {shown.length === 0 ? (
                <Empty title={direction === "" ? "Nothing has changed" : `There are no ${direction}s`}>
                  <p>A change is told when chance explains it in less than one case in a hundred, over all series that were looked at. Choose a longer period or another series to look further.</p>
                </Empty>
              ) : (
                <ChangeList changes={shown} about={about} link={(c) => url.with({ change: c.change_key })} />
              )}
              {hidden > 0 && (
                <p className="pager">
                  <Link className="button" to={url.with({ folded: folded ? null : "1" })}>
                    {folded ? "Hide what other changes explain" : `Show ${plural(hidden, "more change")} that these explain`}
                  </Link>
                </p>
              )}
            </>
          )}
        </Ready>
      </Panel>
    </>
  );
}

function SeriesTrend({ title, filter, common }: { title: string; filter: string; common: Record<string, string> }) {
  const url = useUrl();
  const bucket = url.get("bucket", "day");
  const points = useGet<TrendPoint[]>("/analytics/trend", { ...common, filter, bucket });
  const events = useGet<PlatformEvent[]>("/analytics/events", { since: common.since, until: common.until, source: common.source, filter });
  const fixes = useGet<Fix[]>("/analytics/fixes", { source: common.source });
  const markers = useMemo<Marker[]>(() => {
    const first = points.data?.[0]?.time ?? "9999";
    return [
      ...(events.data ?? []).map((e) => ({ at: e.at, label: e.label, kind: "event" as const })),
      ...(fixes.data ?? []).map((f) => ({ at: f.created_at, label: f.fix_description, kind: "fix" as const })),
    ].filter((m) => m.at >= first);
  }, [points.data, events.data, fixes.data]);
  return (
    <Panel title={title} note="Failure rate over time"
      actions={
        <>
          {url.get("change") !== "" && <Link className="button quiet" to={url.with({ change: null })}>Back to everything</Link>}
          <Choice label="Per" value={bucket} options={[["day", "Day"], ["week", "Week"], ["month", "Month"]]} onChange={(value) => url.set({ bucket: value === "day" ? null : value }, true)} />
        </>
      }>
      <Ready of={points} what="the trend" lines={6}>
        {(data) => data.every((p) => p.trials === 0) ? (
          <Empty title="Nothing was judged that fits">
            <p>Choose a longer period, or remove a filter.</p>
          </Empty>
        ) : (
          <>
            <Trend points={data} markers={markers} bucket={bucket} title={`Failure rate over time: ${title}`} />
            <TrendTable points={data} markers={markers} bucket={bucket} />
          </>
        )}
      </Ready>
    </Panel>
  );
}
