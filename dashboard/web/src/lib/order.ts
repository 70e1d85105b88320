// The order of rows and columns of a heatmap. Numbers stay in theirs; names have none that says
// anything, so what is used most comes first unless somebody asks for another order.
import type { AxisEntry, Cell, Dimension, HeatmapData } from "../api/types";

export const orders = [
  ["used", "Most used first"],
  ["worst", "Worst first"],
  ["name", "By name"],
] as const;
export type Order = (typeof orders)[number][0];

/** Old indexes in their new order. */
function ranking(entries: readonly AxisEntry[], cells: readonly Cell[], axis: "r" | "c", order: Order): number[] {
  const failures = new Float64Array(entries.length);
  const trials = new Float64Array(entries.length);
  for (const cell of cells) {
    failures[cell[axis]] += cell.failures;
    trials[cell[axis]] += cell.trials;
  }
  // one failure in ten trials more than there were: few trials do not come first by luck
  const rate = (i: number): number => (failures[i] + 1) / (trials[i] + 10);
  const by: Record<Order, (a: number, b: number) => number> = {
    used: (a, b) => trials[b] - trials[a],
    worst: (a, b) => rate(b) - rate(a),
    name: () => 0,
  };
  return entries.map((_, i) => i).sort((a, b) => by[order](a, b) || entries[a].label.localeCompare(entries[b].label, "en"));
}

export function ordered(data: HeatmapData, order: Order, dimensions: readonly Dimension[]): HeatmapData {
  const axis = (name: string, entries: readonly AxisEntry[], key: "r" | "c"): number[] =>
    dimensions.find((d) => d.name === name)?.kind === "ordinal" ? entries.map((_, i) => i) : ranking(entries, data.cells, key, order);
  const rows = axis(data.row_dimension, data.rows, "r");
  const cols = axis(data.col_dimension, data.cols, "c");
  const newRow = new Int32Array(rows.length);
  const newCol = new Int32Array(cols.length);
  rows.forEach((old, i) => { newRow[old] = i; });
  cols.forEach((old, i) => { newCol[old] = i; });
  return {
    ...data,
    rows: rows.map((i) => data.rows[i]),
    cols: cols.map((i) => data.cols[i]),
    cells: data.cells.map((cell) => ({ ...cell, r: newRow[cell.r], c: newCol[cell.c] })),
  };
}
