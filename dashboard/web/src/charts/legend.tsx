// What the colours of the heatmap mean. The stops are those of failpat's palettes (src/view/palette.c),
// which the API's colours come from; both mix in OKLab.
import type { Palette } from "../state/look";

const stops: Record<Palette, readonly [string, string, string]> = {
  traffic: ["#2ea04f", "#f6c53b", "#c62828"],
  colorblind: ["#1f66b0", "#f7e8a4", "#c94a12"],
  mono: ["#fff3ee", "#e57760", "#67000d"],
};

/** the rate from which on a cell is fully red: fp_heatmap's red_at */
const end = 50;

export function Legend({ palette }: { palette: Palette }) {
  const colors = stops[palette].join(", ");
  return (
    <figure className="legend">
      <figcaption>Failure rate</figcaption>
      <div className="legend-scale">
        <div className="legend-ramp" style={{ background: `linear-gradient(to right in oklab, ${colors})` }} />
        <div className="legend-ticks"><span>0 %</span><span>{end / 2} %</span><span>{end} % and more</span></div>
      </div>
      <div className="legend-notes">
        <span><i className="swatch swatch-pale" style={{ background: `linear-gradient(to right, ${stops[palette][2]}, #9e9e9e)` }} />Greyer: wider interval</span>
        <span><i className="swatch swatch-hatch" />Too little data</span>
        <span><i className="swatch swatch-none" />Never used together</span>
      </div>
    </figure>
  );
}
