// What is behind a number: the observations, a page at a time, and the scores of each. Which page and
// which segment are open is in the address.
import { useEffect, useRef } from "react";
import { useGet, type Query } from "../api/client";
import type { Counted, Observation, ObservationPage, Source } from "../api/types";
import { Rate } from "../charts/interval";
import { Empty, Link, Ready, Segmented } from "../parts/ui";
import { checkName, time, titleOf } from "../lib/format";
import { useUrl } from "../state/url";

const pageSize = 12;

interface Props {
  title: string;
  heading: 2 | 3;
  query: Query; // filter or pattern_id, and the rest of the scope
  counted: Counted | null;
  about: Source;
  onClose?: () => void;
}

/** The value of a dimension of an observation, by name. */
function used(o: Observation, name: string, labels: ObservationPage["labels"]): string {
  const value = o.dims[name];
  const one = (v: string | number): string => labels[name]?.[String(v)] ?? String(v);
  if (value === null || value === undefined) return "not recorded";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(one).join(", ");
  return one(value);
}

function Checks({ failed }: { failed: string[] }) {
  if (failed.length === 0) return <span className="note">none named</span>;
  return <span className="checks">{failed.map((c) => <span key={c} className="check">{checkName(c)}</span>)}</span>;
}

export function Drilldown({ title, heading, query, counted, about, onClose }: Props) {
  const url = useUrl();
  const head = useRef<HTMLHeadingElement>(null);
  const after = url.get("after");
  const all = url.get("all") === "1";
  const page = useGet<ObservationPage>("/analytics/observations", { ...query, failed_only: !all, limit: pageSize, after });
  const segment = url.get("segment");
  const open = page.data?.observations.find((o) => o.obs_key === segment);
  const Heading = heading === 2 ? "h2" : "h3";

  // what was asked for is told to a screen reader, and brought into sight on a narrow screen
  useEffect(() => {
    if (onClose === undefined && segment === "") return;
    if (head.current === null) return;
    head.current.focus({ preventScroll: true });
    const low = head.current.getBoundingClientRect().top > window.innerHeight / 2;
    head.current.scrollIntoView({ block: low ? "start" : "nearest" });
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [title, segment]);

  return (
    <div className="drill">
      <header className="panel-head">
        <div>
          <Heading ref={head} tabIndex={-1}>{open === undefined ? title : `Segment ${open.obs_key}`}</Heading>
          {open === undefined && counted !== null && <p className="note"><Rate of={counted} unit="failed" /></p>}
          {open !== undefined && <p className="note">{time(open.observed_at)}</p>}
        </div>
        <div className="panel-actions">
          {open !== undefined && <Link className="button quiet" to={url.with({ segment: null })}>Back to the list</Link>}
          {open === undefined && onClose && <button type="button" className="button quiet" onClick={onClose} aria-label="Close the failures">Close</button>}
        </div>
      </header>
      {open === undefined && (
        <Segmented label="Show" value={all ? "1" : ""} options={[["", "Failures"], ["1", "All segments"]]}
          onChange={(value) => url.set({ all: value, after: null, segment: null })} />
      )}
      <Ready of={page} what="the segments" lines={8}>
        {(data) => {
          if (open !== undefined) return <Segment of={open} labels={data.labels} about={about} level={heading === 2 ? "h3" : "h4"} />;
          if (data.observations.length === 0) {
            return (
              <Empty title={all ? "Nothing was seen here" : "Nothing failed here"}>
                <p>{all ? "Choose a longer period or another cell." : "Show all segments to see those that passed."}</p>
              </Empty>
            );
          }
          return <List page={data} about={about} />;
        }}
      </Ready>
    </div>
  );
}

function List({ page, about }: { page: ObservationPage; about: Source }) {
  const url = useUrl();
  return (
    <>
      <div className="table-frame" tabIndex={0} role="region" aria-label="Segments">
        <table className="table obs">
          <thead>
            <tr><th scope="col">Segment</th><th scope="col">When</th><th scope="col">Failed checks, and what was used</th></tr>
          </thead>
          <tbody>
            {page.observations.map((o) => (
              <tr key={o.obs_key}>
                <td><Link to={url.with({ segment: o.obs_key })} className="row-link">{o.obs_key}</Link></td>
                <td className="when-cell">{time(o.observed_at).replace(" UTC", "")}</td>
                <td>{o.failed ? <Checks failed={o.failed_checks} /> : <span className="passed">passed</span>}
                  <span className="note block">{about.dimensions.filter((d) => o.dims[d.name] !== null && o.dims[d.name] !== undefined)
                  .map((d) => used(o, d.name, page.labels)).filter((text) => text !== "none").join(" · ")}</span></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <nav className="pager" aria-label="Pages of segments">
        {url.get("after") !== "" && <Link className="button" to={url.with({ after: null })}>Newest</Link>}
        {page.next !== null && <Link className="button" to={url.with({ after: page.next })}>Older</Link>}
      </nav>
    </>
  );
}

function Segment({ of, labels, about, level: Heading }: {
  of: Observation; labels: ObservationPage["labels"]; about: Source; level: "h3" | "h4";
}) {
  const scores = Object.entries(of.scores ?? {}).sort(([a], [b]) =>
    Number(of.failed_checks.includes(b)) - Number(of.failed_checks.includes(a)) || a.localeCompare(b));
  return (
    <div className="segment">
      <Heading>Scores</Heading>
      {scores.length === 0 ? (
        <Empty title="No scores are kept for it">
          <p>The segment was generated again since, or its scores may not be read. What failed is still known: {of.failed_checks.map(checkName).join(", ") || "no check by name"}.</p>
        </Empty>
      ) : (
        <table className="table scores">
          <thead><tr><th scope="col">Check</th><th scope="col" className="num">Score</th><th scope="col"><span className="unseen">Bar</span></th><th scope="col">Outcome</th></tr></thead>
          <tbody>
            {scores.map(([check, score]) => {
              const failed = of.failed_checks.includes(check);
              return (
                <tr key={check} className={failed ? "is-failed" : ""}>
                  <th scope="row">{checkName(check)}</th>
                  <td className="num">{score.toFixed(2)}</td>
                  <td className="meter-cell"><span className="meter" aria-hidden="true"><i style={{ width: `${100 * Math.min(Math.max(score, 0), 1)}%` }} /></span></td>
                  <td>{failed ? <span className="check">failed</span> : <span className="passed">ok</span>}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      <Heading>What was used</Heading>
      <dl className="facts">
        {about.dimensions.map((d) => (
          <div key={d.name}><dt>{titleOf(about.dimensions, d.name)}</dt><dd>{used(of, d.name, labels)}</dd></div>
        ))}
        {of.job !== null && <div><dt>Job</dt><dd>{of.job}</dd></div>}
      </dl>
    </div>
  );
}
