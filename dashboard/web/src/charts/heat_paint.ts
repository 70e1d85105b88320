// Geometry and painting of the heatmap, without React. A map of 100 x 200 cells is 20,000 of them;
// as elements of a page each hover would cost more than a frame, so only what is in sight is drawn,
// on one canvas, and pointing at a cell is arithmetic.
import { scaleBand, type ScaleBand } from "d3-scale";
import type { AxisEntry, Cell } from "../api/types";

export interface Layout {
  rows: ScaleBand<number>;
  cols: ScaleBand<number>;
  cellWidth: number;
  cellHeight: number;
  left: number; // width of the row names
  top: number; // height of the column names
  width: number; // of everything, names included
  height: number;
  upright: boolean; // column names turned by a quarter
}

export interface Ink {
  text: string;
  faint: string;
  paper: string;
  line: string;
  empty: string;
  hatch: string;
  font: string;
}

let ruler: CanvasRenderingContext2D | null = null;

export function textWidth(text: string, font: string): number {
  ruler ??= document.createElement("canvas").getContext("2d");
  if (ruler === null) return text.length * 7;
  ruler.font = font;
  return ruler.measureText(text).width;
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/** Room around a name above its column. */
const nameGap = 10;

/** Sizes from the room there is: few values get wide cells with figures, many get small squares. */
export function layOut(rows: readonly AxisEntry[], cols: readonly AxisEntry[], room: number, font: string): Layout {
  const widest = (entries: readonly AxisEntry[]): number =>
    entries.reduce((most, e) => Math.max(most, textWidth(e.label, font)), 0);
  const left = Math.ceil(clamp(widest(rows) + 18, 36, Math.min(170, room * 0.34)));
  const cellWidth = Math.floor(clamp((room - left - 2) / Math.max(cols.length, 1), cols.length > 60 ? 15 : 24, 104));
  const label = widest(cols);
  // a few long names among short ones are shortened, they do not turn the others
  const fitting = cols.filter((e) => textWidth(e.label, font) + nameGap <= cellWidth).length;
  const upright = fitting < cols.length / 2;
  const cellHeight = cellWidth >= 76 ? 38 : clamp(cellWidth, 15, 28);
  const top = upright ? Math.ceil(clamp(label + 16, 30, 132)) : 30;
  const band = (n: number, size: number): ScaleBand<number> =>
    scaleBand<number>().domain(Array.from({ length: n }, (_, i) => i)).range([0, n * size]);
  return {
    rows: band(rows.length, cellHeight),
    cols: band(cols.length, cellWidth),
    cellWidth,
    cellHeight,
    left,
    top,
    width: left + cols.length * cellWidth,
    height: top + rows.length * cellHeight,
    upright,
  };
}

/** Which cell is where: index into `cells` by row and column, -1 where nothing was seen. */
export function indexCells(cells: readonly Cell[], rows: number, cols: number): Int32Array {
  const index = new Int32Array(rows * cols).fill(-1);
  cells.forEach((cell, i) => {
    index[cell.r * cols + cell.c] = i;
  });
  return index;
}

export function cellAt(
  layout: Layout, x: number, y: number, scrollLeft: number, scrollTop: number, rows: number, cols: number,
): { r: number; c: number } | null {
  if (x < layout.left || y < layout.top) return null;
  const c = Math.floor((x - layout.left + scrollLeft) / layout.cellWidth);
  const r = Math.floor((y - layout.top + scrollTop) / layout.cellHeight);
  return r < rows && c < cols ? { r, c } : null;
}

/** As much of a text as there is room for, measured where it is drawn: the page's figures may be wider than the font's. */
function shortened(ctx: CanvasRenderingContext2D, text: string, room: number): string {
  const width = (of: string): number => ctx.measureText(of).width;
  if (width(text) <= room) return text;
  let keep = Math.max(1, Math.floor((text.length * room) / width(text)));
  while (keep > 1 && width(`${text.slice(0, keep)}…`) > room) keep -= 1;
  return `${text.slice(0, keep)}…`;
}

/** Black or white, whichever is easier to read on a colour (relative luminance, WCAG 2). */
export function inkOn(color: string): string {
  const channel = (at: number): number => {
    const c = parseInt(color.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5) > 0.179 ? "#14171c" : "#ffffff";
}

export interface Scene {
  layout: Layout;
  rows: readonly AxisEntry[];
  cols: readonly AxisEntry[];
  cells: readonly Cell[];
  index: Int32Array;
  ink: Ink;
  figures: (cell: Cell) => readonly [string, string] | null; // two lines in a cell with room for them
}

export interface Sight {
  width: number;
  height: number;
  scrollLeft: number;
  scrollTop: number;
}

function hatch(ctx: CanvasRenderingContext2D, x: number, y: number, w: number, h: number): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, w, h);
  ctx.clip();
  ctx.beginPath();
  for (let d = -h; d < w; d += 5) {
    ctx.moveTo(x + d, y + h);
    ctx.lineTo(x + d + h, y);
  }
  ctx.stroke();
  ctx.restore();
}

function paintCells(ctx: CanvasRenderingContext2D, scene: Scene, sight: Sight, r0: number, r1: number, c0: number, c1: number): void {
  const { layout, cells, cols, index, ink, figures } = scene;
  const gap = layout.cellWidth >= 20 ? 2 : 1;
  const w = layout.cellWidth - gap;
  const h = layout.cellHeight - gap;
  const dots: number[] = [];
  ctx.strokeStyle = ink.hatch;
  ctx.lineWidth = 1;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (let r = r0; r <= r1; r += 1) {
    const y = layout.top + r * layout.cellHeight - sight.scrollTop;
    for (let c = c0; c <= c1; c += 1) {
      const x = layout.left + c * layout.cellWidth - sight.scrollLeft;
      const at = index[r * cols.length + c];
      if (at < 0) {
        dots.push(x + w / 2, y + h / 2);
        continue;
      }
      const cell = cells[at];
      ctx.fillStyle = cell.color;
      ctx.fillRect(x, y, w, h);
      if (!cell.enough_data) {
        hatch(ctx, x, y, w, h);
        continue;
      }
      const lines = figures(cell);
      if (lines !== null) {
        ctx.fillStyle = inkOn(cell.color);
        ctx.font = `600 12.5px ${ink.font}`;
        ctx.fillText(lines[0], x + w / 2, y + h / 2 - 6.5);
        ctx.font = `10.5px ${ink.font}`;
        ctx.fillText(lines[1], x + w / 2, y + h / 2 + 8);
      }
    }
  }
  ctx.fillStyle = ink.empty;
  for (let d = 0; d < dots.length; d += 2) ctx.fillRect(dots[d] - 1, dots[d + 1] - 1, 2, 2);
}

function paintNames(ctx: CanvasRenderingContext2D, scene: Scene, sight: Sight, r0: number, r1: number, c0: number, c1: number): void {
  const { layout, rows, cols, ink } = scene;
  const font = `12px ${ink.font}`;
  // names stay in sight: they lie over the cells that have been scrolled beneath them
  ctx.fillStyle = ink.paper;
  ctx.fillRect(0, 0, sight.width, layout.top);
  ctx.fillRect(0, 0, layout.left, sight.height);
  ctx.font = font;
  ctx.fillStyle = ink.text;
  ctx.textBaseline = "middle";
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, layout.top, layout.left, sight.height);
  ctx.clip();
  ctx.textAlign = "right";
  for (let r = r0; r <= r1; r += 1) {
    const y = layout.top + (r + 0.5) * layout.cellHeight - sight.scrollTop - 1;
    ctx.fillText(shortened(ctx, rows[r].label, layout.left - 12), layout.left - 8, y);
  }
  ctx.restore();
  ctx.save();
  ctx.beginPath();
  ctx.rect(layout.left, 0, sight.width - layout.left, layout.top);
  ctx.clip();
  for (let c = c0; c <= c1; c += 1) {
    const x = layout.left + (c + 0.5) * layout.cellWidth - sight.scrollLeft - 1;
    if (layout.upright) {
      ctx.save();
      ctx.translate(x, layout.top - 8);
      ctx.rotate(-Math.PI / 2);
      ctx.textAlign = "left";
      ctx.fillText(shortened(ctx, cols[c].label, layout.top - 12), 0, 0);
      ctx.restore();
    } else {
      ctx.textAlign = "center";
      ctx.fillText(shortened(ctx, cols[c].label, layout.cellWidth - nameGap), x, layout.top - 14);
    }
  }
  ctx.restore();
  ctx.fillStyle = ink.line;
  if (sight.scrollTop > 0) ctx.fillRect(0, layout.top - 1, sight.width, 1);
  if (sight.scrollLeft > 0) ctx.fillRect(layout.left - 1, 0, 1, sight.height);
}

export function paint(canvas: HTMLCanvasElement, scene: Scene, sight: Sight): void {
  const ctx = canvas.getContext("2d");
  if (ctx === null) return;
  const scale = window.devicePixelRatio || 1;
  const pixelWidth = Math.round(sight.width * scale);
  const pixelHeight = Math.round(sight.height * scale);
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  }
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.clearRect(0, 0, sight.width, sight.height);
  const { layout, rows, cols } = scene;
  const first = (scroll: number, size: number): number => Math.max(0, Math.floor(scroll / size));
  const last = (scroll: number, room: number, size: number, n: number): number =>
    Math.min(n - 1, Math.floor((scroll + room) / size));
  const r0 = first(sight.scrollTop, layout.cellHeight);
  const r1 = last(sight.scrollTop, sight.height - layout.top, layout.cellHeight, rows.length);
  const c0 = first(sight.scrollLeft, layout.cellWidth);
  const c1 = last(sight.scrollLeft, sight.width - layout.left, layout.cellWidth, cols.length);
  paintCells(ctx, scene, sight, r0, r1, c0, c1);
  paintNames(ctx, scene, sight, r0, r1, c0, c1);
}
