// The scene configuration: somebody picks what to use, and is warned as they pick. A warning never
// stands in the way; it says how sure it is, what to use instead (at a click), and what helped before.
import { useAsk } from "../api/client";
import type { Alert, AlertFix, Alternative, Dimension, DimensionValue, Prediction, Source } from "../api/types";
import { Bar, scaleEnd } from "../charts/interval";
import { count, percent, plural, range, ratio } from "../lib/format";
import { Empty, Link, Panel, Problem, Ready, SeverityBadge } from "../parts/ui";
import { useLabels, useScope, useValues } from "../state/scope";
import { useUrl } from "../state/url";
import { placeOf } from "./patterns";
import { alternativeName, applied, askedOf, position, readCombo, writeCombo, type Combo } from "./scene_combo";

export function SceneView({ about }: { about: Source }) {
  const url = useUrl();
  const { source } = useScope();
  const dimensions = about.dimensions;
  const combo = readCombo((name) => url.get(name), dimensions);
  const set = (next: Combo): void => url.set(writeCombo(next, dimensions));
  const chosen = Object.keys(combo.values).length > 0;
  const body = {
    combo: askedOf(combo, dimensions),
    ...(combo.length !== null && combo.values[position] === undefined && { scene_length: combo.length }),
    ...(source !== "" && { source }),
  };
  const alerts = useAsk<Alert[]>("/analytics/failure-alerts", body, chosen);
  const prediction = useAsk<Prediction | null>("/analytics/predictions", body, chosen);
  return (
    <>
      <header className="view-head">
        <h1>Plan a scene</h1>
        <p className="note">Pick what the scene will use. What is known to fail is told as you pick, with what to use instead.</p>
      </header>
      <div className="scene">
        <Panel title="Configuration" className="scene-form"
          actions={chosen && <button type="button" className="button quiet" onClick={() => set({ values: {}, length: null })}>Clear</button>}>
          <form onSubmit={(event) => event.preventDefault()}>
            {dimensions.filter((d) => d.name !== position).map((d) => (
              <Picker key={d.name} dimension={d} source={about.source} chosen={combo.values[d.name] ?? []}
                onChange={(values) => {
                  const next = { ...combo.values, [d.name]: values };
                  if (values.length === 0) delete next[d.name];
                  set({ ...combo, values: next });
                }} />
            ))}
            {dimensions.some((d) => d.name === position) && (
              <label className="field wide"><span>Length, in segments</span>
                <input type="number" min={1} max={200} placeholder="any" value={combo.length ?? ""}
                  onChange={(event) => set({ ...combo, length: event.target.value === "" ? null : Math.min(200, Math.max(1, Math.round(Number(event.target.value)))) })} /></label>
            )}
          </form>
        </Panel>
        <div className="scene-told">
          <Forecast chosen={chosen} of={prediction} />
          <section className="alerts" aria-label="Warnings" aria-live="polite" aria-busy={alerts.isFetching}>
            {!chosen ? (
              <Empty title="Nothing is chosen yet"><p>Choose a LoRA and a character, for example: most warnings are about the two together.</p></Empty>
            ) : alerts.error !== null && alerts.data === undefined ? (
              <Problem error={alerts.error} retry={() => void alerts.refetch()} />
            ) : alerts.data === undefined ? null : alerts.data.length === 0 ? (
              <div className="clear">
                <p className="state-title">No known problem</p>
                <p className="note">Nothing that this combination meets is known to fail more often than usual.</p>
              </div>
            ) : (
              alerts.data.map((a) => <Warning key={a.id} alert={a} combo={combo} source={source} about={about} onApply={set} />)
            )}
          </section>
        </div>
      </div>
    </>
  );
}

function Picker({ dimension: d, source, chosen, onChange }: {
  dimension: Dimension; source: string; chosen: string[]; onChange: (values: string[]) => void;
}) {
  const values = useValues(d.name, source);
  const all: readonly DimensionValue[] = values.data ?? [];
  const label = (value: string): string => all.find((v) => v.value === value)?.label ?? value;
  const several = d.kind === "set";
  const free = several ? all.filter((v) => !chosen.includes(v.value)) : all;
  const unknown = !several && chosen.length > 0 && !all.some((v) => v.value === chosen[0]);
  return (
    <div className="picker">
      <label className="field wide">
        <span>{several ? `${d.title}s` : d.title}</span>
        <select value={several ? "" : chosen[0] ?? ""} disabled={values.isPending}
          onChange={(event) => {
            const value = event.target.value;
            if (several) onChange([...chosen, value]);
            else onChange(value === "" ? [] : [value]);
          }}>
          <option value="">{values.isPending ? "Loading…" : several ? (chosen.length === 0 ? "Add…" : "Add another…") : "Any"}</option>
          {unknown && <option value={chosen[0]}>{chosen[0]}</option>}
          {free.map((v) => <option key={v.value} value={v.value}>{v.label}</option>)}
        </select>
      </label>
      {several && chosen.length > 0 && (
        <ul className="chips" aria-label={`Chosen ${d.title}s`}>
          {chosen.map((value) => (
            <li key={value} className="chip"><span>{label(value)}</span>
              <button type="button" aria-label={`Remove ${d.title} ${label(value)}`} onClick={() => onChange(chosen.filter((v) => v !== value))}>×</button></li>
          ))}
        </ul>
      )}
      {values.error && <p className="field-error">The values could not be read: {values.error.message}</p>}
    </div>
  );
}

function Warning({ alert: a, combo, source, about, onApply }: {
  alert: Alert; combo: Combo; source: string; about: Source; onApply: (combo: Combo) => void;
}) {
  const label = useLabels(about);
  const usable = a.alternatives.map((to) => ({ to, next: applied(combo, to), name: alternativeName(to, about.dimensions, label) }));
  const most = scaleEnd([a.rate_upper, ...a.alternatives.map((to) => to.upper)]);
  return (
    <article className={`alert sev-edge-${a.severity}`} data-alert={a.id}>
      <div className="row-sub">
        <SeverityBadge severity={a.severity} />
        {a.candidate && <span className="badge candidate" title="Found, and not yet confirmed by what came after it was found">candidate</span>}
        {a.from_segment !== null && <span className="note">from segment {a.from_segment} on</span>}
      </div>
      <p className="alert-text">{a.message}</p>
      {a.caveat && <p className="note">{a.caveat}</p>}
      <div className="alert-bar"><Bar of={{ rate: a.failure_rate, lower: a.rate_lower, upper: a.rate_upper }} most={most} mark={a.baseline_rate} tone={a.severity} /></div>
      {usable.length > 0 && (
        <div className="alert-part">
          <h3>Instead</h3>
          <ul className="rows">
            {usable.map(({ to, next, name }, i) => (
              <li key={i} className="row compact">
                <div className="row-main">
                  <span className="row-title">{name}</span>
                  <Expected of={to} />
                </div>
                <Bar of={to} most={most} tone="low" />
                {next !== null && (
                  <button type="button" className="button" onClick={() => onApply(next)} aria-label={`Use: ${name}`}>Use</button>
                )}
              </li>
            ))}
          </ul>
        </div>
      )}
      {a.fixes.length > 0 && (
        <div className="alert-part">
          <h3>What helped before</h3>
          <ul className="alert-fixes">{a.fixes.map((f) => <KnownFix key={f.id} of={f} />)}</ul>
        </div>
      )}
      <p className="alert-more"><Link to={placeOf(a.id, source)}>{a.fixes.length === 0 ? "Details, and record a fix" : "Details"}</Link></p>
    </article>
  );
}

function Expected({ of }: { of: Alternative }) {
  return (
    <span className="rate">
      <b>{percent(of.rate)}</b> <span className="rate-range">{range(of.lower, of.upper)}</span>{" "}
      <span className="rate-n">{of.predicted ? "predicted" : of.trials !== undefined ? `of ${count(of.trials)}` : ""}</span>
    </span>
  );
}

const found: Record<string, string> = {
  resolved: "resolved it", improved: "made it better", no_effect: "no effect", worse: "made it worse", "too early": "too early to say",
};

function KnownFix({ of }: { of: AlertFix }) {
  return (
    <li>
      <span>{of.fix_description}</span>
      <span className="note">
        {of.measured !== undefined && of.measured !== null ? (
          <>measured: {found[of.measured] ?? of.measured}
            {of.ratio !== undefined && of.ratio !== null && of.lower !== undefined && of.lower !== null && of.upper !== undefined && of.upper !== null &&
              ` (${ratio(of.ratio)} × the failures, ${ratio(of.lower)}–${ratio(of.upper)}${of.trials ? `, ${count(of.trials)} since` : ""})`}</>
        ) : "not measured yet"}
        {of.effectiveness && <>; reported: {found[of.effectiveness]}</>}
        {of.stopped_working && "; stopped working"}
        {of.related && "; of a related pattern"}
      </span>
    </li>
  );
}

function Forecast({ chosen, of }: { chosen: boolean; of: ReturnType<typeof useAsk<Prediction | null>> }) {
  return (
    <Panel title="Expected" className="forecast">
      {!chosen ? <p className="note">How likely a segment fails, once something is chosen.</p> : (
        <Ready of={of} what="the prediction" lines={2}>
          {(p) => p === null ? (
            <Empty title="Nothing can be predicted yet"><p>The model is fitted at the first refresh. Run CALL fp_refresh(), or wait for the worker.</p></Empty>
          ) : <Predicted of={p} />}
        </Ready>
      )}
    </Panel>
  );
}

function Predicted({ of: p }: { of: Prediction }) {
  const most = scaleEnd([p.upper, p.baseline_rate]);
  const tone = p.lower > p.baseline_rate ? "high" : "plain";
  const moving = p.contributions.filter((c) => c.risk_ratio !== undefined && Math.abs(c.log_odds ?? 0) > 0.1).slice(0, 4);
  return (
    <div className="predicted">
      <div className="predicted-main">
        <p className="big" data-testid="probability"><b>{percent(p.probability)}</b> <span className="rate-range">{range(p.lower, p.upper)}</span></p>
        <p className="note">that a segment fails; usual is {percent(p.baseline_rate)}{typeof p.data.trials === "number" && <> · model of {plural(p.data.trials, "segment")}</>}</p>
        <Bar of={{ rate: p.probability, lower: p.lower, upper: p.upper }} most={most} mark={p.baseline_rate} tone={tone} />
        {p.scene_probability !== null && p.expected_failures !== null && (
          <p className="note">Of the whole scene: {p.expected_failures.toFixed(1)} failing segments expected, {percent(p.scene_probability)} that any fails</p>
        )}
      </div>
      {moving.length > 0 && (
        <ul className="drivers" aria-label="What drives it">
          {moving.map((c, i) => (
            <li key={i}><span>{c.label}</span><span className="num">{ratio(c.risk_ratio ?? 1)} ×{c.trials !== undefined && <span className="note"> of {count(c.trials)}</span>}</span></li>
          ))}
        </ul>
      )}
      {p.data.never_seen !== undefined && p.data.never_seen.length > 0 && <p className="note">Never seen before: {p.data.never_seen.join(", ")}. The interval is wider for it.</p>}
    </div>
  );
}
