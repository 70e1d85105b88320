// Numbers, times and conditions in words. Everything that the page prints comes through here, so
// that a rate looks the same in a table, a tooltip and what a screen reader says.
import type { Condition, Conditions, Counted, Dimension } from "../api/types";

const whole = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const shortDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const minute = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC",
});

export const count = (n: number): string => whole.format(n);
export const date = (at: string | Date): string => day.format(new Date(at));
export const shortDate = (at: string | Date): string => shortDay.format(new Date(at));
export const time = (at: string): string => `${minute.format(new Date(at))} UTC`;

/** Two digits where they say something: 46, 8.6, 0.4. */
function points(rate: number): string {
  const percent = 100 * rate;
  return percent >= 9.95 || percent === 0 ? percent.toFixed(0) : percent.toFixed(1);
}

export const percent = (rate: number): string => `${points(rate)} %`;
export const range = (lower: number, upper: number): string => `${points(lower)}–${points(upper)} %`;

export function ratio(value: number): string {
  return value >= 9.95 ? value.toFixed(0) : value.toFixed(value < 0.095 ? 2 : 1);
}

/** How small a p or q value is, no smaller than anybody could care about. */
export function small(value: number): string {
  if (value < 1e-6) return "< 0.000001";
  if (value < 0.001) return value.toFixed(6).replace(/0+$/, "");
  return value.toFixed(3);
}

/** "46 % (38–54 %), 69 of 149": a rate with all that belongs to it. */
export function told(counted: Counted): string {
  if (counted.rate === null) return "no data";
  const interval =
    counted.lower === null || counted.upper === null ? "" : ` (${range(counted.lower, counted.upper)})`;
  return `${percent(counted.rate)}${interval}, ${count(counted.failures)} of ${count(counted.trials)}`;
}

export function condition(value: Condition, label: (value: string) => string): string {
  if (typeof value === "string") return label(value);
  if (Array.isArray(value)) return value.map(label).join(" + ");
  const bounds = "count" in value ? value.count : value;
  const unit = "count" in value ? " of them" : "";
  if (bounds.min !== undefined && bounds.min === bounds.max) return `${bounds.min}${unit}`;
  if (bounds.max === undefined) return `${bounds.min}${unit} or more`;
  if (bounds.min === undefined) return `at most ${bounds.max}${unit}`;
  return `${bounds.min}–${bounds.max}${unit}`;
}

export function titleOf(dimensions: readonly Dimension[], name: string): string {
  return dimensions.find((d) => d.name === name)?.title ?? name;
}

/** The conditions of an address; what cannot be read is none. */
export function readConditions(text: string): Conditions {
  try {
    const value: unknown = JSON.parse(text || "{}");
    return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Conditions) : {};
  } catch {
    return {};
  }
}

/** null where there are none, so that the address stays short. */
export function writeConditions(conditions: Conditions): string | null {
  return Object.keys(conditions).length > 0 ? JSON.stringify(conditions) : null;
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A check as people would write it: face_confidence is "face confidence". */
export const checkName = (check: string): string => check.replaceAll("_", " ");

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;
