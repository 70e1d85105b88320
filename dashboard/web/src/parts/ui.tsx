// The small parts that every view is made of: links, badges, panels, and the three states that are
// not the data itself (loading, nothing there, an error), each of which says what to do next.
import type { UseQueryResult } from "@tanstack/react-query";
import { useId, type AnchorHTMLAttributes, type MouseEvent, type ReactNode } from "react";
import type { ApiError } from "../api/client";
import type { Pattern, Severity } from "../api/types";
import { date } from "../lib/format";
import { navigate } from "../state/url";

/** A link within the page: a real address, so it can be opened in another tab. */
export function Link({ to, onClick, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return <a href={to} onClick={follow} {...rest} />;
}

export function Panel({ title, note, actions, children, className = "", level = 2 }: {
  title: ReactNode; note?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string; level?: 2 | 3;
}) {
  const id = useId();
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <section className={`panel ${className}`} aria-labelledby={id}>
      <header className="panel-head">
        <div>
          <Heading id={id}>{title}</Heading>
          {note && <p className="note">{note}</p>}
        </div>
        {actions && <div className="panel-actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

const severityWord: Record<Severity, string> = { high: "High", medium: "Medium", low: "Low" };

/** Shape, word and colour say the same, so that no reader depends on colour. */
export function SeverityBadge({ severity }: { severity: Severity }) {
  const bars = { high: 3, medium: 2, low: 1 }[severity];
  return (
    <span className={`badge sev-${severity}`}>
      <svg width="11" height="10" viewBox="0 0 11 10" aria-hidden="true">
        {[0, 1, 2].map((i) => (
          <rect key={i} x={i * 4} width="3" y={6 - 3 * i} height={4 + 3 * i} rx="0.8" className={i < bars ? "on" : "off"} />
        ))}
      </svg>
      {severityWord[severity]}
    </span>
  );
}

export function StatusBadges({ pattern }: { pattern: Pattern }) {
  return (
    <span className="badges">
      <span className={`badge status-${pattern.status}`}>{pattern.status}</span>
      {pattern.candidate ? (
        <span className="badge candidate" title="Found, and not yet confirmed by what came after it was found">candidate</span>
      ) : (
        <span className="badge confirmed" title={pattern.confirmed_at ? `Confirmed by new data on ${date(pattern.confirmed_at)}` : undefined}>confirmed</span>
      )}
    </span>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <p className="state-title">{title}</p>
      {children && <div className="state-text">{children}</div>}
    </div>
  );
}

export function Loading({ what, lines = 3 }: { what: string; lines?: number }) {
  return (
    <div className="loading" role="status" aria-busy="true">
      <span className="unseen">Loading {what}</span>
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} className="shimmer" style={{ width: `${92 - ((i * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

const advice = (error: ApiError): string => {
  if (error.status === 0) return "Is dashboard/serve still running? Start it again, then try once more.";
  if (error.status === 400) return "Change what is asked for: a filter may name something that this source does not have.";
  if (error.status === 401) return "Sign in to the application first; reading needs no login, writing does.";
  if (error.status === 503 || error.status === 504) return "The database is busy or away. Try again in a moment, or choose a shorter period.";
  return "Try again. If it stays, the log of the API tells more.";
};

export function Problem({ error, retry }: { error: ApiError; retry?: () => void }) {
  return (
    <div className="state problem" role="alert">
      <p className="state-title">{error.message}</p>
      <div className="state-text">
        <p>{advice(error)}</p>
        {retry && <button type="button" className="button" onClick={retry}>Try again</button>}
      </div>
    </div>
  );
}

/** A query's three states; `children` gets the data when it is there. */
export function Ready<T>({ of, what, lines, children }: {
  of: UseQueryResult<T, ApiError>; what: string; lines?: number; children: (data: T) => ReactNode;
}) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.error !== null) return <Problem error={of.error} retry={() => void of.refetch()} />;
  return <Loading what={what} lines={lines} />;
}

export function Choice({ label, value, options, onChange }: {
  label: string; value: string; options: readonly (readonly [string, string])[]; onChange: (value: string) => void;
}) {
  return (
    <label className="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {options.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
      </select>
    </label>
  );
}

/** A few exclusive choices in a row, as radio buttons are. */
export function Segmented({ label, value, options, onChange }: {
  label: string; value: string; options: readonly (readonly [string, string])[]; onChange: (value: string) => void;
}) {
  const name = useId();
  return (
    <fieldset className="segmented">
      <legend>{label}</legend>
      <div>
        {options.map(([key, text]) => (
          <label key={key}>
            <input type="radio" name={name} value={key} checked={key === value} onChange={() => onChange(key)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
