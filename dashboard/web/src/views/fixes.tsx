// What is known to help against a pattern, with what it was measured to do, and the forms with which
// the next person learns of it: record a fix, rate one.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { send, type ApiError } from "../api/client";
import type { Effectiveness, Fix, Measured, PatternDetail } from "../api/types";
import { count, date, percent, ratio } from "../lib/format";
import { Empty, Panel, Problem } from "../parts/ui";

const words: Record<string, string> = {
  resolved: "Resolved", improved: "Improved", no_effect: "No effect", worse: "Made it worse", "too early": "Too early to say",
};
const ratings: readonly Effectiveness[] = ["resolved", "improved", "no_effect"];

const share = (failures: number, trials: number): string =>
  trials === 0 ? "nothing yet" : `${percent(failures / trials)} (${count(failures)} of ${count(trials)})`;

function MeasuredEffect({ of }: { of: Measured }) {
  return (
    <div className="measured">
      <span className={`badge verdict-${of.verdict.replace(/[ _]/g, "-")}`}>{words[of.verdict]}</span>
      <span>
        {of.ratio !== null && (
          <><b>{ratio(of.ratio)} ×</b> the failures{of.lower !== null && of.upper !== null && <span className="note"> ({ratio(of.lower)}–{ratio(of.upper)})</span>}; </>
        )}
        <span className="note">
          {of.basis === "time" ? "before " : "without "}{share(of.without_failures, of.without_trials)},
          {of.basis === "time" ? " since " : " with "}{share(of.with_failures, of.with_trials)}
        </span>
      </span>
      {of.stopped_working && <span className="badge sev-high">Stopped working</span>}
    </div>
  );
}

function useWrite<T>(patternId: number, write: (value: T) => Promise<unknown>, done: () => void) {
  const queries = useQueryClient();
  return useMutation<unknown, ApiError, T>({
    mutationFn: write,
    onSuccess: async () => {
      done();
      await queries.invalidateQueries({ queryKey: [`/analytics/failure-patterns/${patternId}`] });
      await queries.invalidateQueries({ queryKey: ["/analytics/failure-alerts"] });
    },
  });
}

function Known({ fix }: { fix: Fix }) {
  const [said, setSaid] = useState("");
  const rate = useWrite<Effectiveness>(fix.pattern_id,
    (effectiveness) => send("PATCH", `/failure-patterns/fixes/${fix.id}/effectiveness`, { effectiveness }),
    () => setSaid("Thank you, noted."));
  return (
    <li className="fix" data-fix={fix.id}>
      <p className="fix-text">{fix.fix_description}</p>
      {fix.fix_parameters !== null && (
        <ul className="chips plain">
          {Object.entries(fix.fix_parameters).map(([name, value]) => (
            <li key={name} className="chip"><span><span className="chip-name">{name}</span> {typeof value === "string" ? value : JSON.stringify(value)}</span></li>
          ))}
        </ul>
      )}
      <div className="measured-line">
        <span className="label">Measured</span>
        {fix.measured === null ? <span className="note">with the next refresh</span> : <MeasuredEffect of={fix.measured} />}
      </div>
      <fieldset className="segmented rating" disabled={rate.isPending}>
        <legend>Did it help you?</legend>
        <div>
          {ratings.map((value) => (
            <label key={value}>
              <input type="radio" name={`rating-${fix.id}`} value={value} checked={(rate.isPending ? rate.variables : fix.effectiveness) === value} onChange={() => rate.mutate(value)} />
              <span>{words[value]}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <p className="note">Recorded on {date(fix.created_at)} by user {fix.reported_by_id}{fix.note_ids !== null && fix.note_ids.length > 0 && ", noted on the assets"} <span role="status">{said}</span></p>
      {rate.error && <Problem error={rate.error} />}
    </li>
  );
}

/** "lora_weight = 0.6" per line; a value that is JSON is taken as such. */
export function readParameters(text: string): Record<string, unknown> | null {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const read: Record<string, unknown> = {};
  for (const line of lines) {
    const found = /^([^=:]+?)\s*[=:]\s*(.+)$/.exec(line);
    if (found === null) throw new Error(`“${line}” is not of the form name = value`);
    try {
      read[found[1]] = JSON.parse(found[2]) as unknown;
    } catch {
      read[found[1]] = found[2];
    }
  }
  return lines.length === 0 ? null : read;
}

function Record({ pattern }: { pattern: PatternDetail }) {
  const ids = useId();
  const [text, setText] = useState("");
  const [parameters, setParameters] = useState("");
  const [wrong, setWrong] = useState("");
  const [said, setSaid] = useState("");
  const record = useWrite<object>(pattern.id, (body) => send("POST", `/failure-patterns/${pattern.id}/fixes`, body), () => {
    setText("");
    setParameters("");
    setSaid("Recorded. The next warning of this pattern will tell it.");
  });
  return (
    <form
      className="record"
      aria-labelledby={`${ids}-title`}
      onSubmit={(event) => {
        event.preventDefault();
        setWrong("");
        setSaid("");
        try {
          const read = readParameters(parameters);
          record.mutate({ fix_description: text.trim(), ...(read !== null && { fix_parameters: read }) });
        } catch (problem) {
          setWrong((problem as Error).message);
        }
      }}
    >
      <h3 id={`${ids}-title`}>Record a fix</h3>
      <label className="field wide"><span>What fixed it</span>
        <textarea required rows={2} value={text} onChange={(event) => setText(event.target.value)} placeholder="LoRA weight 0.6 instead of 0.9" /></label>
      <label className="field wide"><span>Parameters, one per line (optional)</span>
        <textarea rows={2} className="mono" value={parameters} onChange={(event) => setParameters(event.target.value)} placeholder="lora_weight = 0.6"
          aria-describedby={wrong ? `${ids}-wrong` : undefined} aria-invalid={wrong !== ""} /></label>
      {wrong && <p id={`${ids}-wrong`} className="field-error" role="alert">{wrong}</p>}
      <div className="form-end">
        <button type="submit" className="button primary" disabled={record.isPending || text.trim() === ""}>{record.isPending ? "Recording…" : "Record fix"}</button>
        <span className="note" role="status">{said}</span>
      </div>
      {record.error && <Problem error={record.error} />}
    </form>
  );
}

export function Fixes({ pattern }: { pattern: PatternDetail }) {
  return (
    <Panel title="Known fixes" note={pattern.fixes.length > 0 && "With what they were measured to do, drift of everything else taken out"}>
      {pattern.fixes.length === 0 ? (
        <Empty title="No fix is known yet"><p>If you found one, record it: everybody who is warned of this pattern will see it.</p></Empty>
      ) : (
        <ul className="fixes">{pattern.fixes.map((fix) => <Known key={fix.id} fix={fix} />)}</ul>
      )}
      <Record pattern={pattern} />
    </Panel>
  );
}
