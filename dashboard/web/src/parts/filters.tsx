// The row of controls above a view: period, check, and any number of conditions on dimensions.
import { useState } from "react";
import type { Condition, Conditions, Dimension, Source } from "../api/types";
import { checkName, condition, titleOf, writeConditions } from "../lib/format";
import { useScope, useValues } from "../state/scope";
import { useUrl } from "../state/url";
import { Choice } from "./ui";

/** What a change of the scope leaves behind: the cell, page or segment that was open under the old one. */
const closed = { r: null, c: null, after: null, segment: null, change: null };

function Chip({ dimension, value, source, onRemove }: {
  dimension: Dimension; value: Condition; source: string; onRemove: () => void;
}) {
  const values = useValues(dimension.name, source);
  const label = (text: string): string => values.data?.find((v) => v.value === text)?.label ?? text;
  const text = condition(value, label);
  return (
    <li className="chip">
      <span><span className="chip-name">{dimension.title}</span> {text}</span>
      <button type="button" aria-label={`Remove filter ${dimension.title} ${text}`} onClick={onRemove}>×</button>
    </li>
  );
}

function AddFilter({ dimensions, source, onAdd, onClose }: {
  dimensions: readonly Dimension[]; source: string; onAdd: (name: string, value: Condition) => void; onClose: () => void;
}) {
  const [name, setName] = useState(dimensions[0]?.name ?? "");
  const dimension = dimensions.find((d) => d.name === name);
  const values = useValues(name, source);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  if (dimension === undefined) return null;
  return (
    <form
      className="add-filter"
      onSubmit={(event) => {
        event.preventDefault();
        if (from !== "" || to !== "") onAdd(name, { ...(from !== "" && { min: Number(from) }), ...(to !== "" && { max: Number(to) }) });
      }}
      onKeyDown={(event) => { if (event.key === "Escape") onClose(); }}
    >
      <Choice label="Filter by" value={name} options={dimensions.map((d) => [d.name, d.title])} onChange={setName} />
      {dimension.kind === "ordinal" ? (
        <>
          <label className="field short"><span>From</span>
            <input type="number" value={from} onChange={(event) => setFrom(event.target.value)} /></label>
          <label className="field short"><span>To</span>
            <input type="number" value={to} onChange={(event) => setTo(event.target.value)} /></label>
          <button type="submit" className="button">Apply</button>
        </>
      ) : (
        <Choice label={dimension.title} value=""
          options={[["", values.isPending ? "Loading…" : "Choose…"], ...(values.data ?? []).map((v) => [v.value, v.label] as const)]}
          onChange={(value) => { if (value !== "") onAdd(name, value); }} />
      )}
      <button type="button" className="button quiet" onClick={onClose}>Cancel</button>
    </form>
  );
}

export function Filters({ about, children }: { about: Source; children?: React.ReactNode }) {
  const url = useUrl();
  const scope = useScope();
  const [adding, setAdding] = useState(false);
  const set = (patch: Record<string, string | null>): void => url.set({ ...closed, ...patch });
  const write = (filter: Conditions): void => {
    setAdding(false);
    set({ filter: writeConditions(filter) });
  };
  const period = url.get("period");
  const known = about.dimensions.filter((d) => d.name in scope.filter);
  const free = about.dimensions.filter((d) => !(d.name in scope.filter))
    .sort((a, b) => Number(b.name === "project") - Number(a.name === "project"));
  return (
    <div className="filters" role="search" aria-label="What is shown">
      <div className="filters-row">
        {children}
        <Choice label="Period" value={period}
          options={[["", `Last ${about.window_days} days`], ["30", "Last 30 days"], ["7", "Last 7 days"], ["custom", "From … to …"]]}
          onChange={(value) => set({ period: value, since: null, until: null })} />
        {period === "custom" && (
          <>
            <label className="field"><span>From</span>
              <input type="date" value={url.get("since")} max={url.get("until") || undefined} onChange={(event) => set({ since: event.target.value })} /></label>
            <label className="field"><span>To</span>
              <input type="date" value={url.get("until")} min={url.get("since") || undefined} onChange={(event) => set({ until: event.target.value })} /></label>
          </>
        )}
        {about.checks.length > 0 && (
          <Choice label="Check" value={scope.check}
            options={[["", "Any check"], ...about.checks.map((c) => [c, checkName(c)] as const)]}
            onChange={(value) => set({ check: value })} />
        )}
        {!adding && free.length > 0 && (
          <button type="button" className="button add" onClick={() => setAdding(true)}>Add filter</button>
        )}
      </div>
      {adding && (
        <AddFilter dimensions={free} source={scope.source} onClose={() => setAdding(false)}
          onAdd={(name, value) => write({ ...scope.filter, [name]: value })} />
      )}
      {known.length > 0 && (
        <ul className="chips" aria-label="Filters">
          {known.map((d) => (
            <Chip key={d.name} dimension={d} value={scope.filter[d.name]} source={scope.source}
              onRemove={() => {
                const rest = { ...scope.filter };
                delete rest[d.name];
                write(rest);
              }} />
          ))}
          {known.length > 1 && <li><button type="button" className="button quiet" onClick={() => write({})}>Remove all</button></li>}
        </ul>
      )}
    </div>
  );
}

/** Conditions as a row of name and value, for headings. */
export function ConditionList({ conditions, about }: { conditions: Conditions; about: Source }) {
  return (
    <ul className="chips plain">
      {Object.entries(conditions).map(([name, value]) => <ConditionItem key={name} name={name} value={value} about={about} />)}
    </ul>
  );
}

function ConditionItem({ name, value, about }: { name: string; value: Condition; about: Source }) {
  const values = useValues(name, about.source);
  const label = (text: string): string => values.data?.find((v) => v.value === text)?.label ?? text;
  return <li className="chip"><span><span className="chip-name">{titleOf(about.dimensions, name)}</span> {condition(value, label)}</span></li>;
}
