// Where it fails: any two dimensions against each other, and what is behind a cell beside it.
import { useMemo } from "react";
import { useGet } from "../api/client";
import type { Cell, Conditions, HeatmapData, Source } from "../api/types";
import { Heatmap, type Place } from "../charts/heatmap";
import { Bar, Rate, scaleEnd } from "../charts/interval";
import { Legend } from "../charts/legend";
import { count, titleOf } from "../lib/format";
import { ordered, orders } from "../lib/order";
import { Filters } from "../parts/filters";
import { Choice, Empty, Link, Panel, Ready, Segmented, SeverityBadge } from "../parts/ui";
import { setPalette, useLook, type Palette } from "../state/look";
import { useScope } from "../state/scope";
import { useUrl, type Url } from "../state/url";
import { Drilldown } from "./drilldown";

const limit = 200;
const tableRows = 50;

export function cellFilter(data: HeatmapData, place: Place, filter: Conditions): Conditions {
  const row = data.rows[place.r].condition;
  const col = data.cols[place.c].condition;
  if (data.row_dimension !== data.col_dimension) return { ...filter, [data.row_dimension]: row, [data.col_dimension]: col };
  // a set against itself: both used together
  const values = [row, col].flat().filter((v): v is string => typeof v === "string");
  return { ...filter, [data.row_dimension]: [...new Set(values)] };
}

/** Sensible first: who with what, and where in the scene. */
function axes(about: Source, url: Url): [string, string] {
  const names = about.dimensions.map((d) => d.name);
  const has = (name: string): boolean => names.includes(name);
  const fallback = [["lora", "character"], ["scene_type", "character"]].find(([a, b]) => has(a) && has(b)) ?? [names[0] ?? "", names[1] ?? ""];
  const rows = has(url.get("rows")) ? url.get("rows") : fallback[0];
  const cols = has(url.get("cols")) ? url.get("cols") : fallback[1];
  return [rows, cols];
}

export function HeatmapView({ about }: { about: Source }) {
  const url = useUrl();
  const scope = useScope();
  const { palette } = useLook();
  const [rowDim, colDim] = axes(about, url);
  const set = about.dimensions.find((d) => d.name === rowDim)?.kind === "set";
  const valid = rowDim !== "" && (rowDim !== colDim || set);
  const map = useGet<HeatmapData>("/analytics/heatmap", {
    row_dimension: rowDim, col_dimension: colDim, since: scope.since, until: scope.until, check: scope.check,
    filter: Object.keys(scope.filter).length > 0 ? JSON.stringify(scope.filter) : undefined,
    palette, row_limit: limit, col_limit: limit, source: scope.source,
  }, valid);
  const order = orders.find(([key]) => key === url.get("order"))?.[0] ?? "used";
  const data = useMemo(() => (map.data === undefined ? undefined : ordered(map.data, order, about.dimensions)), [map.data, order, about.dimensions]);
  const asTable = url.get("view") === "table";
  const close = { r: null, c: null, after: null, segment: null, all: null };

  const selected = useMemo<Place | null>(() => {
    if (data === undefined) return null;
    const r = data.rows.findIndex((e) => e.value === url.get("r"));
    const c = data.cols.findIndex((e) => e.value === url.get("c"));
    return r < 0 || c < 0 ? null : { r, c };
  }, [data, url]);
  const cell = selected === null ? undefined : data?.cells.find((x) => x.r === selected.r && x.c === selected.c);
  const open = (place: Place): void => {
    if (data === undefined) return;
    url.set({ ...close, r: data.rows[place.r].value, c: data.cols[place.c].value });
  };
  const options = about.dimensions.map((d) => [d.name, d.title] as const);
  const pick = (axis: "rows" | "cols") => (value: string): void => {
    // choosing what the other axis has, where that says nothing, swaps them
    const [mine, other] = axis === "rows" ? [rowDim, colDim] : [colDim, rowDim];
    const pair = about.dimensions.find((d) => d.name === value)?.kind === "set";
    const swap = value === other && !pair ? mine : other;
    url.set({ ...close, [axis]: value, [axis === "rows" ? "cols" : "rows"]: swap });
  };

  if (about.dimensions.length < 2) {
    return <Empty title="There is nothing to compare yet"><p>A heatmap needs a source with two dimensions. Attach one with fp_attach or fp_attach_prd49.</p></Empty>;
  }
  return (
    <>
      <header className="view-head">
        <h1>Where it fails</h1>
        <p className="note">Each cell is all that was made with both. Open one to see what failed.</p>
      </header>
      <Filters about={about}>
        <Choice label="Rows" value={rowDim} options={options} onChange={pick("rows")} />
        <Choice label="Columns" value={colDim} options={options} onChange={pick("cols")} />
      </Filters>
      <div className={selected !== null ? "with-side" : ""}>
        <Panel
          className="heat-panel"
          title={`${titleOf(about.dimensions, rowDim)} by ${titleOf(about.dimensions, colDim)}`}
          note={map.data && <Totals cells={map.data.cells} />}
          actions={
            <>
              <Choice label="Order" value={order} onChange={(value) => url.set({ order: value === "used" ? null : value })} options={orders} />
              <Choice label="Colours" value={palette} onChange={(value) => setPalette(value as Palette)}
                options={[["traffic", "Green to red"], ["colorblind", "Colour-blind safe"], ["mono", "One colour"]]} />
              <Segmented label="Show as" value={asTable ? "table" : ""} options={[["", "Map"], ["table", "Table"]]}
                onChange={(value) => url.set({ view: value, page: null })} />
            </>
          }
        >
          <Ready of={map} what="the heatmap" lines={10}>
            {() =>
              data === undefined ? null : data.cells.length === 0 ? (
                <Empty title="Nothing was judged that fits">
                  <p>Choose a longer period, or remove a filter.</p>
                  <Link className="button" to={url.with({ period: null, since: null, until: null, check: null, filter: null })}>Show everything</Link>
                </Empty>
              ) : asTable ? (
                <CellTable data={data} onOpen={open} rowTitle={titleOf(about.dimensions, rowDim)} colTitle={titleOf(about.dimensions, colDim)} />
              ) : (
                <>
                  <Heatmap data={data} selected={selected} onOpen={open}
                    rowTitle={titleOf(about.dimensions, rowDim)} colTitle={titleOf(about.dimensions, colDim)} />
                  <Legend palette={palette} />
                </>
              )
            }
          </Ready>
        </Panel>
        {selected !== null && data !== undefined && (
          <section className="panel side" aria-label="What is behind the cell">
            <Drilldown
              heading={2}
              title={`${data.rows[selected.r].label} × ${data.cols[selected.c].label}`}
              counted={cell ?? null}
              about={about}
              query={{
                filter: JSON.stringify(cellFilter(data, selected, scope.filter)),
                since: scope.since, until: scope.until, check: scope.check, source: scope.source,
              }}
              onClose={() => url.set(close)}
            />
          </section>
        )}
      </div>
    </>
  );
}

function Totals({ cells }: { cells: readonly Cell[] }) {
  const enough = cells.filter((c) => c.enough_data).length;
  return <>{count(cells.length)} combinations were used, {count(enough)} of them often enough to say something</>;
}

/** The same figures without colour: worst first, as far as that is beyond doubt (by lower bound). */
function CellTable({ data, rowTitle, colTitle, onOpen }: {
  data: HeatmapData; rowTitle: string; colTitle: string; onOpen: (place: Place) => void;
}) {
  const url = useUrl();
  const sorted = useMemo(
    () => [...data.cells].sort((a, b) => Number(b.enough_data) - Number(a.enough_data) || (b.lower ?? 0) - (a.lower ?? 0)),
    [data],
  );
  const page = Math.min(Math.max(0, Number(url.get("page", "0")) || 0), Math.floor((sorted.length - 1) / tableRows));
  const shown = sorted.slice(page * tableRows, (page + 1) * tableRows);
  const most = scaleEnd(shown.map((c) => (c.enough_data ? c.upper : null)));
  return (
    <>
      <div className="table-frame" tabIndex={0} role="region" aria-label="Cells as a table">
        <table className="table">
          <thead>
            <tr><th scope="col">{rowTitle}</th><th scope="col">{colTitle}</th><th scope="col">Failed</th>
              <th scope="col" className="wide-only"><span className="unseen">Interval</span></th><th scope="col">Severity</th></tr>
          </thead>
          <tbody>
            {shown.map((cell) => (
              <tr key={`${cell.r}:${cell.c}`}>
                <td><button type="button" className="row-link" onClick={() => onOpen(cell)}
                  aria-label={`${data.rows[cell.r].label} and ${data.cols[cell.c].label}: open the failures`}>{data.rows[cell.r].label}</button></td>
                <td>{data.cols[cell.c].label}</td>
                <td><Rate of={cell} /></td>
                <td className="wide-only"><Bar of={cell} most={most} tone={cell.enough_data ? cell.severity : "plain"} /></td>
                <td>{cell.enough_data ? <SeverityBadge severity={cell.severity} /> : <span className="note">too little data</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <nav className="pager" aria-label="Pages of cells">
        {page > 0 && <Link className="button" to={url.with({ page: page === 1 ? null : String(page - 1) })}>Previous</Link>}
        <span className="note">{count(page * tableRows + 1)}–{count(page * tableRows + shown.length)} of {count(sorted.length)}</span>
        {(page + 1) * tableRows < sorted.length && <Link className="button" to={url.with({ page: String(page + 1) })}>Next</Link>}
      </nav>
    </>
  );
}
