// The combination that somebody is about to use: how it is kept in the address, what the API is asked
// about it, and how an alternative is applied to it. No React here.
import type { Alternative, Dimension } from "../api/types";
import { titleOf } from "../lib/format";

export interface Combo {
  values: Record<string, string[]>; // by dimension, without those that are not chosen
  length: number | null; // segments of the scene
}

/** Where segments are counted; what a scene has many of is asked as a length, not as a value. */
export const position = "segment_position";

export function readCombo(get: (name: string) => string, dimensions: readonly Dimension[]): Combo {
  const values: Record<string, string[]> = {};
  for (const d of dimensions) {
    const chosen = get(`s.${d.name}`).split(",").filter((v) => v !== "").map(decodeURIComponent);
    if (chosen.length > 0) values[d.name] = d.kind === "set" ? chosen : chosen.slice(0, 1);
  }
  const length = Number(get("length"));
  return { values, length: Number.isInteger(length) && length >= 1 && length <= 10000 ? length : null };
}

/** The address' parameters for it. */
export function writeCombo(combo: Combo, dimensions: readonly Dimension[]): Record<string, string | null> {
  const patch: Record<string, string | null> = { length: combo.length === null ? null : String(combo.length) };
  for (const d of dimensions) {
    const chosen = combo.values[d.name] ?? [];
    patch[`s.${d.name}`] = chosen.length === 0 ? null : chosen.map(encodeURIComponent).join(",");
  }
  return patch;
}

/** As the API takes it. A set that nothing was chosen of is left open, not said to be empty. */
export function askedOf(combo: Combo, dimensions: readonly Dimension[]): Record<string, string | string[] | number> {
  const asked: Record<string, string | string[] | number> = {};
  for (const d of dimensions) {
    const chosen = combo.values[d.name];
    if (chosen === undefined) continue;
    asked[d.name] = d.kind === "set" ? chosen : d.kind === "ordinal" ? Number(chosen[0]) : chosen[0];
  }
  return asked;
}

/** The combination with the alternative in place of what it is for; null where it changes nothing. */
export function applied(combo: Combo, to: Alternative): Combo | null {
  if (to.before !== undefined) {
    const length = to.before - 1;
    return length < 1 ? null : { ...combo, length: Math.min(combo.length ?? length, length) };
  }
  const old = combo.values[to.dimension] ?? [];
  let next: string[];
  if (to.instead_of !== undefined) {
    const at = old.indexOf(to.instead_of);
    if (at < 0) return null;
    next = [...old];
    if (to.value === undefined || old.includes(to.value)) next.splice(at, 1);
    else next[at] = to.value;
  } else if (to.count?.max !== undefined) {
    // which to leave out is not known: the last ones chosen go
    if (old.length <= to.count.max) return null;
    next = old.slice(0, to.count.max);
  } else if (to.value !== undefined) next = [to.value];
  else return null;
  const values = { ...combo.values, [to.dimension]: next };
  if (next.length === 0) delete values[to.dimension];
  return { ...combo, values };
}

/** What it is to be done, in words that name the dimension: several may be at stake. */
export function alternativeName(a: Alternative, dimensions: readonly Dimension[], label: (dimension: string, value: string) => string): string {
  const title = titleOf(dimensions, a.dimension);
  if (a.before !== undefined) return `End the scene before segment ${a.before}`;
  if (a.value !== undefined || a.label !== undefined) return `${title} ${a.label ?? a.value}`;
  if (a.count?.max !== undefined) return `At most ${a.count.max} ${title}${a.count.max === 1 ? "" : "s"}`;
  return a.instead_of === undefined ? `Without ${title}` : `Without ${title} ${label(a.dimension, a.instead_of)}`;
}
