// The table that stands for a trend chart where a chart cannot be seen.
import type { TrendPoint } from "../api/types";
import type { Marker } from "../charts/trend";
import { Rate } from "../charts/interval";
import { date } from "../lib/format";

export function TrendTable({ points, markers, bucket }: { points: readonly TrendPoint[]; markers: readonly Marker[]; bucket: string }) {
  const within = (i: number): string => {
    const from = points[i].time;
    const to = points[i + 1]?.time ?? "9999";
    return markers.filter((m) => m.at >= from && m.at < to).map((m) => m.label).join("; ");
  };
  return (
    <details className="more">
      <summary>Show as table</summary>
      <div className="table-frame tall" tabIndex={0} role="region" aria-label="The trend as a table">
        <table className="table">
          <thead><tr><th scope="col">{bucket === "day" ? "Day" : `From`}</th><th scope="col">Failed</th><th scope="col">Change</th><th scope="col">What happened</th></tr></thead>
          <tbody>
            {points.map((p, i) => (
              <tr key={p.time}><td className="nowrap">{date(p.time)}</td><td className="nowrap"><Rate of={p} /></td><td>{p.change ?? ""}</td><td>{within(i)}</td></tr>
            )).reverse()}
          </tbody>
        </table>
      </div>
    </details>
  );
}
