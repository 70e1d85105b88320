// A failure rate over time: the rate of each bucket with its interval as a band, the level between
// changes as a step line, and on tracks below it what happened (events) and what was done (fixes).
// Drawn as SVG, which takes its colours from the style sheet; there are some hundred buckets at most.
import { scaleLinear, scaleUtc } from "d3-scale";
import { area, line } from "d3-shape";
import { useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import type { TrendPoint } from "../api/types";
import { date, percent, plural, range, shortDate, told } from "../lib/format";

export interface Marker {
  at: string;
  label: string;
  kind: "event" | "fix";
}

interface Props {
  points: readonly TrendPoint[];
  markers: readonly Marker[];
  baseline?: number | null;
  title: string;
  bucket: string;
}

const height = 250;
const edge = { top: 14, right: 14, left: 46 };
const track = 20;

export function Trend({ points, markers, baseline, title, bucket }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState<number | null>(null);

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const measure = (): void => setWidth(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const kinds = useMemo(() => (["event", "fix"] as const).filter((k) => markers.some((m) => m.kind === k)), [markers]);
  const bottom = 24 + kinds.length * track;
  const times = useMemo(() => points.map((p) => new Date(p.time)), [points]);
  const span = times.length > 1 ? times[1].getTime() - times[0].getTime() : 86400000;
  const x = useMemo(
    () =>
      scaleUtc()
        .domain([times[0] ?? new Date(0), new Date((times[times.length - 1]?.getTime() ?? 0) + span)])
        .range([edge.left, Math.max(width - edge.right, edge.left + 1)]),
    [times, span, width],
  );
  const y = useMemo(() => {
    // a bucket of one or two observations has an interval up to 100 %: the axis follows the rates
    const highest = points.reduce((most, p) => Math.max(most, p.rate ?? 0, p.level_upper ?? 0), baseline ?? 0);
    return scaleLinear().domain([0, Math.min(1, Math.max(0.05, highest * 1.12))]).nice(4).range([height - bottom, edge.top]);
  }, [points, baseline, bottom]);
  const middle = (i: number): number => x(new Date(times[i].getTime() + span / 2));

  const shapes = useMemo(() => {
    const centre = (_: TrendPoint, i: number): number => x(new Date(times[i].getTime() + span / 2));
    const clipped = (value: number | null): number => y(Math.min(value ?? 0, y.domain()[1]));
    const band = area<TrendPoint>().defined((p) => p.rate !== null).x(centre)
      .y0((p) => clipped(p.lower)).y1((p) => clipped(p.upper));
    const rate = line<TrendPoint>().defined((p) => p.rate !== null).x(centre).y((p) => y(p.rate ?? 0));
    // the step line: a stretch from its first bucket's start to the next stretch's
    const stretches: { x0: number; x1: number; level: number; lower: number; upper: number }[] = [];
    points.forEach((p, i) => {
      if (p.level === null) return;
      const previous = stretches[stretches.length - 1];
      const x1 = x(new Date(times[i].getTime() + span));
      if (previous !== undefined && previous.level === p.level) previous.x1 = x1;
      else stretches.push({ x0: x(times[i]), x1, level: p.level, lower: p.level_lower ?? p.level, upper: p.level_upper ?? p.level });
    });
    return { band: band(points as TrendPoint[]) ?? "", rate: rate(points as TrendPoint[]) ?? "", stretches };
  }, [points, times, span, x, y]);

  const changes = points.flatMap((p, i) => (p.change === null ? [] : [{ i, kind: p.change }]));
  const nearest = (px: number): number | null => {
    if (points.length === 0) return null;
    const i = Math.floor((x.invert(px).getTime() - times[0].getTime()) / span);
    return Math.min(Math.max(i, 0), points.length - 1);
  };
  const press = (event: KeyboardEvent): void => {
    const last = points.length - 1;
    const from = at ?? last;
    const to: Record<string, number> = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, PageUp: from - 7, PageDown: from + 7 };
    if (event.key === "Escape") setAt(null);
    if (!(event.key in to)) return;
    event.preventDefault();
    setAt(Math.min(Math.max(to[event.key], 0), last));
  };
  const happened = at === null ? [] : markers.filter((m) => {
    const t = new Date(m.at).getTime();
    return t >= times[at].getTime() && t < times[at].getTime() + span;
  });
  const sentence = at === null ? `${plural(points.length, bucket)}, ${plural(changes.length, "change")}` :
    `${date(times[at])}: ${told(points[at])}${happened.map((m) => `; ${m.label}`).join("")}`;

  return (
    <div className="trend">
      <div
        ref={frame}
        className="trend-frame"
        role="slider"
        tabIndex={0}
        aria-label={`${title}. Arrow keys move from ${bucket} to ${bucket}.`}
        aria-valuemin={0}
        aria-valuemax={Math.max(points.length - 1, 0)}
        aria-valuenow={at ?? Math.max(points.length - 1, 0)}
        aria-valuetext={sentence}
        onKeyDown={press}
        onBlur={() => setAt(null)}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          setAt(nearest(event.clientX - box.left));
        }}
        onPointerLeave={() => setAt(null)}
      >
        {width > 0 && (
          <svg width={width} height={height} aria-hidden="true">
            {y.ticks(4).map((tick) => (
              <g key={tick}>
                <line className="grid" x1={edge.left} x2={width - edge.right} y1={y(tick)} y2={y(tick)} />
                <text className="axis" x={edge.left - 8} y={y(tick)} dy="0.32em" textAnchor="end">{percent(tick)}</text>
              </g>
            ))}
            {x.ticks(Math.max(2, Math.floor(width / 110))).map((tick) => (
              <text key={tick.getTime()} className="axis" x={x(tick)} y={height - bottom + 16} textAnchor="middle">{shortDate(tick)}</text>
            ))}
            <path className="band" d={shapes.band} />
            {baseline !== undefined && baseline !== null && (
              <g>
                <line className="baseline" x1={edge.left} x2={width - edge.right} y1={y(baseline)} y2={y(baseline)} />
              </g>
            )}
            {changes.map(({ i, kind }) => (
              <line key={i} className={`change ${kind}`} x1={x(times[i])} x2={x(times[i])} y1={edge.top} y2={height - bottom} />
            ))}
            <path className="rate" d={shapes.rate} />
            {points.length <= 45 && points.map((p, i) => p.rate !== null && <circle key={p.time} className="dot" cx={middle(i)} cy={y(p.rate)} r={2} />)}
            {shapes.stretches.map((s) => (
              <line key={s.x0} className="level" x1={s.x0} x2={s.x1} y1={y(s.level)} y2={y(s.level)} />
            ))}
            {changes.map(({ i, kind }) => (
              <path key={i} className={`flag ${kind}`} transform={`translate(${x(times[i])},${edge.top - 2})`}
                d={kind === "improvement" ? "M-5,-6 L5,-6 L0,3 Z" : "M-5,3 L5,3 L0,-6 Z"} />
            ))}
            {kinds.map((kind, row) => (
              <g key={kind} transform={`translate(0,${height - bottom + 24 + row * track + track / 2})`}>
                <text className="axis" x={edge.left - 8} dy="0.32em" textAnchor="end">{kind === "event" ? "Events" : "Fixes"}</text>
                <line className="grid" x1={edge.left} x2={width - edge.right} y1={0} y2={0} />
                {markers.filter((m) => m.kind === kind).map((m, n) => (
                  <path key={n} className={`mark-${kind}`} transform={`translate(${Math.min(Math.max(x(new Date(m.at)), edge.left), width - edge.right)},0)`}
                    d={kind === "event" ? "M-4,-4 H4 V4 H-4 Z" : "M0,-5.5 L5.5,0 L0,5.5 L-5.5,0 Z"} />
                ))}
              </g>
            ))}
            {at !== null && <line className="cross" x1={middle(at)} x2={middle(at)} y1={edge.top} y2={height - 4} />}
            {at !== null && points[at].rate !== null && <circle className="dot here" cx={middle(at)} cy={y(points[at].rate ?? 0)} r={4} />}
          </svg>
        )}
        {at !== null && (
          <div className="tip" aria-hidden="true" style={middle(at) > width / 2 ? { right: width - middle(at) + 10, top: 8 } : { left: middle(at) + 10, top: 8 }}>
            <div className="tip-names">{date(times[at])}</div>
            {points[at].rate === null ? <div className="tip-note">No observations</div> : (
              <>
                <div className="tip-rate">
                  <b>{percent(points[at].rate ?? 0)}</b>
                  <span>{range(points[at].lower ?? 0, points[at].upper ?? 1)}</span>
                </div>
                <div className="tip-note">{points[at].failures} of {points[at].trials} failed</div>
              </>
            )}
            {happened.slice(0, 4).map((m, n) => <div key={n} className={`tip-mark is-${m.kind}`}>{m.label}</div>)}
            {happened.length > 4 && <div className="tip-note">and {happened.length - 4} more</div>}
          </div>
        )}
      </div>
      <ul className="key" aria-label="What the lines mean">
        <li><i className="k-rate" />Rate per {bucket}, 95 % interval shaded</li>
        <li><i className="k-level" />Level between changes</li>
        {baseline !== undefined && baseline !== null && <li><i className="k-base" />Elsewhere {percent(baseline)}</li>}
        {changes.length > 0 && <li><i className="k-change" />Change</li>}
        {kinds.includes("event") && <li><i className="k-event" />Event</li>}
        {kinds.includes("fix") && <li><i className="k-fix" />Fix</li>}
      </ul>
    </div>
  );
}
