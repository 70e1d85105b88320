// The heatmap as a person uses it: pointing tells, a click or Enter opens, arrows walk. For a screen
// reader it is a grid of which the cell that one stands on is there to be read; the view offers the
// same figures as a table beside it.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import type { Cell, HeatmapData } from "../api/types";
import { count, percent, range, told } from "../lib/format";
import { useLook } from "../state/look";
import { cellAt, indexCells, layOut, paint, textWidth, type Ink, type Scene } from "./heat_paint";

export interface Place {
  r: number;
  c: number;
}

interface Props {
  data: HeatmapData;
  rowTitle: string;
  colTitle: string;
  selected: Place | null;
  onOpen: (place: Place) => void;
}

const steps: Record<string, [number, number]> = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0],
};

function readInk(element: Element): Ink {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: of("--text"), faint: of("--muted"), paper: of("--surface"), line: of("--line-strong"), empty: of("--line-strong"),
    hatch: of("--hatch"), font: style.fontFamily,
  };
}

export function Heatmap({ data, rowTitle, colTitle, selected, onOpen }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { dark } = useLook();
  const [room, setRoom] = useState({ width: 0, height: 0 });
  const [scroll, setScroll] = useState({ left: 0, top: 0 });
  const [here, setHere] = useState<Place | null>(null); // under the pointer, or where the keys have gone
  const [focused, setFocused] = useState(false);
  const { rows, cols, cells } = data;

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const measure = (): void => {
      const width = element.clientWidth;
      const height = element.clientHeight;
      setRoom((old) => (old.width === width && old.height === height ? old : { width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const layout = useMemo(() => {
    const font = frame.current === null ? "12px sans-serif" : `12px ${getComputedStyle(frame.current).fontFamily}`;
    return layOut(rows, cols, room.width, font);
  }, [rows, cols, room.width]);
  const index = useMemo(() => indexCells(cells, rows.length, cols.length), [cells, rows, cols]);
  const cellOf = useCallback(
    (place: Place): Cell | null => cells[index[place.r * cols.length + place.c]] ?? null,
    [cells, index, cols.length],
  );

  useLayoutEffect(() => {
    if (canvas.current === null || frame.current === null || room.width === 0) return;
    const ink = readInk(frame.current);
    const figures = (cell: Cell): readonly [string, string] | null => {
      if (layout.cellWidth < 76 || cell.rate === null || cell.lower === null || cell.upper === null) return null;
      const second = `${range(cell.lower, cell.upper).replace(" %", "")} · ${count(cell.trials)}`;
      return textWidth(second, `10.5px ${ink.font}`) < layout.cellWidth - 8 ? [percent(cell.rate), second] : null;
    };
    const scene: Scene = { layout, rows, cols, cells, index, ink, figures };
    paint(canvas.current, scene, { ...room, scrollLeft: scroll.left, scrollTop: scroll.top });
  }, [layout, rows, cols, cells, index, room, scroll, dark]);

  // other data: what was pointed at is gone
  useEffect(() => setHere(null), [data]);

  const point = (event: PointerEvent): Place | null => {
    const element = frame.current;
    if (element === null) return null;
    const box = element.getBoundingClientRect();
    return cellAt(layout, event.clientX - box.left, event.clientY - box.top, element.scrollLeft, element.scrollTop,
      rows.length, cols.length);
  };
  const move = (event: PointerEvent): void => {
    const next = point(event);
    setHere((old) => (old?.r === next?.r && old?.c === next?.c ? old : next));
  };
  const reveal = (place: Place): void => {
    const element = frame.current;
    if (element === null) return;
    const x = place.c * layout.cellWidth;
    const y = place.r * layout.cellHeight;
    const across = element.clientWidth - layout.left;
    const down = element.clientHeight - layout.top;
    if (x < element.scrollLeft) element.scrollLeft = x;
    else if (x + layout.cellWidth > element.scrollLeft + across) element.scrollLeft = x + layout.cellWidth - across;
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + layout.cellHeight > element.scrollTop + down) element.scrollTop = y + layout.cellHeight - down;
  };
  const press = (event: KeyboardEvent): void => {
    const from = here ?? selected ?? { r: 0, c: 0 };
    let next: Place | null = null;
    if (event.key in steps) {
      const [down, right] = steps[event.key];
      next = { r: from.r + down, c: from.c + right };
    } else if (event.key === "Home") next = { r: event.ctrlKey ? 0 : from.r, c: 0 };
    else if (event.key === "End") next = { r: event.ctrlKey ? rows.length - 1 : from.r, c: cols.length - 1 };
    else if ((event.key === "Enter" || event.key === " ") && here !== null) {
      event.preventDefault();
      if (cellOf(here) !== null) onOpen(here);
      return;
    } else if (event.key === "Escape") setHere(null);
    if (next === null) return;
    event.preventDefault();
    const kept = {
      r: Math.min(Math.max(next.r, 0), rows.length - 1),
      c: Math.min(Math.max(next.c, 0), cols.length - 1),
    };
    setHere(kept);
    reveal(kept);
  };

  const box = (place: Place): { left: number; top: number; width: number; height: number } => ({
    left: layout.left + place.c * layout.cellWidth - scroll.left,
    top: layout.top + place.r * layout.cellHeight - scroll.top,
    width: layout.cellWidth - (layout.cellWidth >= 20 ? 2 : 1),
    height: layout.cellHeight - (layout.cellWidth >= 20 ? 2 : 1),
  });
  const inSight = (place: Place): boolean => {
    const b = box(place);
    return b.left + b.width / 2 > layout.left && b.top + b.height / 2 > layout.top && b.left < room.width && b.top < room.height;
  };
  const said = (place: Place): string => {
    const cell = cellOf(place);
    const names = `${rowTitle} ${rows[place.r].label}, ${colTitle} ${cols[place.c].label}`;
    if (cell === null) return `${names}: never used together`;
    return `${names}: ${told(cell)}${cell.enough_data ? "" : ", too little data"}`;
  };
  const current = here !== null && here.r < rows.length && here.c < cols.length ? here : null;
  const shown = current !== null && inSight(current);
  const hint = current === null ? null : cellOf(current);
  const spot = current === null ? null : box(current);

  return (
    <div className="heat">
      <div
        ref={frame}
        className="heat-frame"
        style={{ height: `min(${layout.height + 1}px, max(100vh - 400px, 380px))` }}
        role="grid"
        tabIndex={0}
        aria-label={`Failure rate by ${rowTitle} and ${colTitle}. Arrow keys move, Enter opens the failures.`}
        aria-rowcount={rows.length}
        aria-colcount={cols.length}
        aria-activedescendant={current === null ? undefined : "heat-current"}
        onPointerMove={move}
        onPointerLeave={() => { if (!focused) setHere(null); }}
        onFocus={(event) => {
          setFocused(true);
          if (event.currentTarget.matches(":focus-visible") && here === null) setHere(selected ?? { r: 0, c: 0 });
        }}
        onBlur={() => { setFocused(false); setHere(null); }}
        onKeyDown={press}
        onClick={(event) => {
          const place = point(event as unknown as PointerEvent);
          if (place !== null && cellOf(place) !== null) onOpen(place);
        }}
        onScroll={(event) => setScroll({ left: event.currentTarget.scrollLeft, top: event.currentTarget.scrollTop })}
        data-cursor={hint === null ? "none" : "cell"}
      >
        <canvas ref={canvas} className="heat-canvas" style={{ width: room.width, height: room.height }} aria-hidden="true" />
        <div className="heat-extent" style={{ width: layout.width, height: layout.height, marginTop: -room.height }} role="presentation" />
        <div role="row" className="unseen" aria-rowindex={(current?.r ?? 0) + 1}>
          <span role="gridcell" id="heat-current" aria-colindex={(current?.c ?? 0) + 1}
            aria-selected={current !== null && selected?.r === current.r && selected.c === current.c}>
            {current === null ? `${plain(rows.length, cols.length)}` : said(current)}
          </span>
        </div>
      </div>
      <div className="heat-over" style={{ width: room.width, height: room.height }} aria-hidden="true">
        {selected !== null && inSight(selected) && <div className="heat-mark heat-selected" style={box(selected)} />}
        {shown && spot !== null && <div className="heat-mark" style={spot} />}
        {shown && spot !== null && current !== null && (
          <div className="tip" style={place(spot, room)} data-testid="tip">
            <div className="tip-names">
              <span>{rows[current.r].label}</span> <span className="by">×</span> <span>{cols[current.c].label}</span>
            </div>
            {hint === null ? (
              <div className="tip-note">Never used together</div>
            ) : (
              <>
                <div className="tip-rate">
                  <b>{hint.rate === null ? "–" : percent(hint.rate)}</b>
                  {hint.lower !== null && hint.upper !== null && <span>{range(hint.lower, hint.upper)}</span>}
                </div>
                <div className="tip-note">
                  {count(hint.failures)} of {count(hint.trials)} failed
                  {hint.enough_data ? "" : " · too little data to say"}
                </div>
              </>
            )}
          </div>
        )}
      </div>
    </div>
  );
}

const plain = (rows: number, cols: number): string => `${rows} rows, ${cols} columns`;

/** Beside the cell, on the side where there is room. */
function place(spot: { left: number; top: number; width: number; height: number }, room: { width: number; height: number }) {
  const across = spot.left > room.width / 2 ? { right: room.width - spot.left + 8 } : { left: spot.left + spot.width + 8 };
  const down = spot.top > room.height / 2 ? { bottom: room.height - spot.top - spot.height } : { top: spot.top };
  return { ...across, ...down };
}
