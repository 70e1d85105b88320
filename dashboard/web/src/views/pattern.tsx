// One pattern: how bad and how sure, how it went, what helped, why it is told, and the segments behind it.
import { useMemo } from "react";
import { useGet } from "../api/client";
import type { Change, Gate, PatternDetail, PlatformEvent, Source, TrendPoint } from "../api/types";
import { Bar, Rate, scaleEnd } from "../charts/interval";
import { Trend, type Marker } from "../charts/trend";
import { capital, checkName, count, date, percent, range, ratio, small, titleOf } from "../lib/format";
import { ConditionList } from "../parts/filters";
import { Choice, Empty, Link, Panel, Ready, SeverityBadge, StatusBadges } from "../parts/ui";
import { useLabels } from "../state/scope";
import { useUrl } from "../state/url";
import { ChangeList } from "./changes";
import { Drilldown } from "./drilldown";
import { Fixes } from "./fixes";
import { countedOf, nameOf } from "./patterns";
import { alternativeName } from "./scene_combo";
import { TrendTable } from "./trend_table";

export function PatternView({ id, about }: { id: number; about: Source }) {
  const pattern = useGet<PatternDetail | null>(`/analytics/failure-patterns/${id}`);
  return (
    <Ready of={pattern} what="the pattern" lines={10}>
      {(p) =>
        p === null ? (
          <>
            <h1>Pattern {id}</h1>
            <Empty title="There is no such pattern">
              <p>It may belong to another database, or the link is wrong.</p>
              <Link className="button" to="/patterns">Show all patterns</Link>
            </Empty>
          </>
        ) : (
          <Known pattern={p} about={about} />
        )
      }
    </Ready>
  );
}

function Known({ pattern: p, about }: { pattern: PatternDetail; about: Source }) {
  const url = useUrl();
  return (
    <>
      <header className="view-head">
        <p className="crumb"><Link to="/patterns">Failure patterns</Link></p>
        <h1>{nameOf(p)}</h1>
        <div className="row-sub">
          <SeverityBadge severity={p.severity} />
          <StatusBadges pattern={p} />
          {p.first_detected_at && <span className="note">found on {date(p.first_detected_at)}</span>}
          {p.last_occurrence && <span className="note">last failed on {date(p.last_occurrence)}</span>}
        </div>
      </header>
      <dl className="stats">
        <div><dt>Fails</dt><dd>{percent(p.failure_rate)}</dd>
          <dd className="note">{p.rate_lower !== null && p.rate_upper !== null && <>{range(p.rate_lower, p.rate_upper)} · </>}{count(p.failure_count)} of {count(p.total_count)}</dd></div>
        {p.baseline_rate !== null && <div><dt>Elsewhere</dt><dd>{percent(p.baseline_rate)}</dd><dd className="note">everything it does not cover</dd></div>}
        {p.risk_ratio !== null && <div><dt>Times as often</dt><dd>{ratio(p.risk_ratio)} ×</dd><dd className="note">its rate by that elsewhere</dd></div>}
        {p.q_value !== null && <div><dt>By chance</dt><dd>q {small(p.q_value).startsWith("<") ? small(p.q_value) : `= ${small(p.q_value)}`}</dd><dd className="note">all tests allowed for</dd></div>}
      </dl>
      {p.caveat && <p className="note">{p.caveat}</p>}
      {p.conditions !== null && <ConditionList conditions={p.conditions} about={about} />}
      <PatternTrend pattern={p} />
      <div className="two">
        <Fixes pattern={p} />
        <Instead pattern={p} about={about} />
      </div>
      <PatternChanges id={p.id} about={about} />
      <Explanation id={p.id} about={about} />
      <section className="panel" aria-label="The segments behind it">
        <Drilldown heading={2} title="The segments behind it" counted={countedOf(p)} about={about}
          query={{ pattern_id: p.id, check: url.get("check") }} />
      </section>
    </>
  );
}

/** Days where there are enough segments for a day to mean something, else weeks. */
function usualBucket(p: PatternDetail): string {
  return p.total_count > 900 ? "day" : "week";
}

function PatternTrend({ pattern: p }: { pattern: PatternDetail }) {
  const url = useUrl();
  const bucket = url.get("bucket", usualBucket(p));
  const points = useGet<TrendPoint[]>("/analytics/trend", { pattern_id: p.id, bucket });
  const conditions = p.conditions === null ? undefined : JSON.stringify(p.conditions);
  const events = useGet<PlatformEvent[]>("/analytics/events", { filter: conditions, source: p.source });
  const markers = useMemo<Marker[]>(() => {
    const first = points.data?.[0]?.time ?? "";
    const marked: Marker[] = [
      ...(events.data ?? []).map((e) => ({ at: e.at, label: e.label, kind: "event" as const })),
      ...p.fixes.map((f) => ({ at: f.created_at, label: f.fix_description, kind: "fix" as const })),
    ];
    return marked.filter((m) => m.at >= first);
  }, [events.data, p.fixes, points.data]);
  return (
    <Panel title="How it went" note="Rate of what the pattern covers, with what happened and what was done"
      actions={<Choice label="Per" value={bucket} options={[["day", "Day"], ["week", "Week"], ["month", "Month"]]} onChange={(value) => url.set({ bucket: value }, true)} />}>
      <Ready of={points} what="the trend" lines={6}>
        {(data) => data.every((x) => x.trials === 0) ? (
          <Empty title="Nothing was judged in this period"><p>The pattern stays known. Older observations are in the heatmap with a longer period.</p></Empty>
        ) : (
          <>
            <Trend points={data} markers={markers} baseline={p.baseline_rate} bucket={bucket} title={`Failure rate of ${nameOf(p)} over time`} />
            <TrendTable points={data} markers={markers} bucket={bucket} />
          </>
        )}
      </Ready>
    </Panel>
  );
}

function Instead({ pattern: p, about }: { pattern: PatternDetail; about: Source }) {
  const label = useLabels(about);
  const most = scaleEnd([p.rate_upper, ...p.alternatives.map((a) => a.upper)]);
  return (
    <Panel title="What to use instead">
      {p.alternatives.length === 0 ? (
        <Empty title="Nothing is known to be better">
          <p>An alternative needs ten observations in the same context that fail clearly less often.</p>
        </Empty>
      ) : (
        <ul className="rows">
          {p.alternatives.map((a, i) => (
            <li key={i} className="row compact">
              <div className="row-main"><span className="row-title">{alternativeName(a, about.dimensions, label)}</span>
                <span className="note">{a.predicted ? "predicted, the context has too little data" : "observed in the same context"}</span></div>
              <div className="row-figures">
                {a.trials !== undefined && a.failures !== undefined ? (
                  <Rate of={{ failures: a.failures, trials: a.trials, rate: a.rate, lower: a.lower, upper: a.upper }} />
                ) : (
                  <span className="rate"><b>{percent(a.rate)}</b> <span className="rate-range">{range(a.lower, a.upper)}</span>
                    {a.trials !== undefined && <span className="rate-n"> of {count(a.trials)}</span>}</span>
                )}
                <Bar of={a} most={most} mark={p.failure_rate} tone="low" />
              </div>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function PatternChanges({ id, about }: { id: number; about: Source }) {
  const changes = useGet<Change[]>("/analytics/changes", { pattern_id: id });
  return (
    <Panel title="Changes of its rate">
      <Ready of={changes} what="the changes">
        {(data) => data.length === 0 ? (
          <Empty title="Its rate has not changed">
            <p>A change is told when chance explains it in less than one series in a hundred.</p>
          </Empty>
        ) : (
          <ChangeList changes={data} about={about} />
        )}
      </Ready>
    </Panel>
  );
}

const verdict = (gate: Gate): string => (gate.passed === null ? "–" : gate.passed ? "passed" : "stopped");

/** The platform's short names of dimensions, as pattern keys have them. */
const shortNames: Record<string, string> = { w: "workflow", m: "model", l: "lora", c: "character", st: "scene_type", sp: "segment_position" };

/** "c:102:sp:6+" in words; what is no key stays as it is. */
function keyInWords(text: string, about: Source, label: (dimension: string, value: string) => string): string {
  if (about.dimensions.some((d) => d.name === text)) return titleOf(about.dimensions, text);
  return text.replace(/\b(st|sp|[wmlc]):([^:\s]+)(:?)/g, (_, short: string, value: string, more: string) =>
    `${titleOf(about.dimensions, shortNames[short])} ${label(shortNames[short], value)}${more ? " + " : ""}`);
}

function Explanation({ id, about }: { id: number; about: Source }) {
  const label = useLabels(about);
  const gates = useGet<Gate[]>("/analytics/explanation", { pattern_id: id });
  const counted = (f: number | null, n: number | null, rate: number | null): string =>
    rate === null ? "" : f === null || n === null ? percent(rate) : `${percent(rate)}, ${count(f)} of ${count(n)}`;
  return (
    <Panel title="Why it is told" note="Each gate that a combination has to pass before it is reported">
      <Ready of={gates} what="the explanation" lines={6}>
        {(data) => {
          const last = data[data.length - 1];
          const steps = data.slice(0, -1);
          return (
            <>
              {last !== undefined && <p className="verdict">{capital(last.note ?? verdict(last))}.</p>}
              <div className="table-frame" tabIndex={0} role="region" aria-label="Gates">
                <table className="table gates">
                  <thead>
                    <tr><th scope="col">Gate</th><th scope="col">Outcome</th><th scope="col">Against</th><th scope="col">Fails</th>
                      <th scope="col">The others</th><th scope="col">Times as often</th><th scope="col">p</th></tr>
                  </thead>
                  <tbody>
                    {steps.map((g, i) => (
                      <tr key={i}>
                        <th scope="row">{checkName(g.gate)}</th>
                        <td><span className={g.passed === false ? "check" : "passed"}>{verdict(g)}</span></td>
                        <td>{g.against !== null && keyInWords(g.against, about, label)}{g.note && <span className="note block">{g.note}</span>}</td>
                        <td className="nowrap">{counted(g.failures, g.trials, g.rate)}</td>
                        <td className="nowrap">{counted(g.other_failures, g.other_trials, g.other_rate)}</td>
                        <td className="nowrap">{g.risk_ratio !== null && <>{ratio(g.risk_ratio)} {g.rr_lower !== null && g.rr_upper !== null && <span className="note">({ratio(g.rr_lower)}–{ratio(g.rr_upper)})</span>}</>}</td>
                        <td className="nowrap">{g.p_value !== null && small(g.p_value)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            </>
          );
        }}
      </Ready>
    </Panel>
  );
}
