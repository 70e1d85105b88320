// A rate with its interval, in words and as a small bar on a scale that all bars of a list share.
import type { Counted } from "../api/types";
import { count, percent, range } from "../lib/format";

export function Rate({ of, unit = "" }: { of: Counted; unit?: string }) {
  if (of.rate === null || of.trials === 0) return <span className="rate-none">no data</span>;
  return (
    <span className="rate">
      <b>{percent(of.rate)}</b>{" "}
      {of.lower !== null && of.upper !== null && <span className="rate-range">{range(of.lower, of.upper)}</span>}{" "}
      <span className="rate-n">{count(of.failures)} of {count(of.trials)}{unit && ` ${unit}`}</span>
    </span>
  );
}

interface BarProps {
  of: { rate: number | null; lower: number | null; upper: number | null };
  most: number; // the right end of the scale
  mark?: number | null; // what is usual
  tone?: "high" | "medium" | "low" | "plain";
}

/** The bar says nothing that is not said in words beside it, so readers of words skip it. */
export function Bar({ of, most, mark, tone = "plain" }: BarProps) {
  if (of.rate === null) return <svg className="bar" viewBox="0 0 120 14" aria-hidden="true" />;
  const x = (value: number): number => 2 + 116 * Math.min(1, value / most);
  const lower = x(of.lower ?? of.rate);
  const upper = x(of.upper ?? of.rate);
  return (
    <svg className={`bar tone-${tone}`} viewBox="0 0 120 14" preserveAspectRatio="none" aria-hidden="true">
      <line className="bar-scale" x1="2" x2="118" y1="7" y2="7" />
      {mark !== null && mark !== undefined && <line className="bar-mark" x1={x(mark)} x2={x(mark)} y1="1" y2="13" />}
      <rect className="bar-range" x={lower} width={Math.max(2, upper - lower)} y="4.5" height="5" rx="2.5" />
      <rect className="bar-dot" x={x(of.rate) - 1.5} width="3" y="2" height="10" rx="1.5" />
    </svg>
  );
}

/** A round end for a scale that holds all of these. */
export function scaleEnd(values: readonly (number | null)[]): number {
  const highest = values.reduce<number>((most, v) => Math.max(most, v ?? 0), 0);
  return [0.1, 0.2, 0.3, 0.5, 0.75, 1].find((end) => highest <= end) ?? 1;
}
