// The address is the state: what a view shows can be sent to somebody, and "back" undoes a step.
// One store over window.history; views read parameters and write them, nothing is kept beside it.
import { useCallback, useMemo, useSyncExternalStore } from "react";

const changed = "failpat:address";

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  window.addEventListener(changed, listener);
  return () => {
    window.removeEventListener("popstate", listener);
    window.removeEventListener(changed, listener);
  };
}

function address(): string {
  return window.location.pathname + window.location.search;
}

export function navigate(to: string, replace = false): void {
  if (to === address()) return;
  if (replace) window.history.replaceState(null, "", to);
  else window.history.pushState(null, "", to);
  window.dispatchEvent(new Event(changed));
}

export type Patch = Record<string, string | null | undefined>;

/** `path` with the parameters of `params`, changed by `patch` (null or "": left out), in a fixed order. */
export function href(path: string, params: URLSearchParams, patch: Patch): string {
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null || value === undefined || value === "") next.delete(name);
    else next.set(name, value);
  }
  next.sort();
  const text = next.toString();
  return path + (text ? `?${text}` : "");
}

export interface Url {
  path: string;
  params: URLSearchParams;
  get: (name: string, otherwise?: string) => string;
  set: (patch: Patch, replace?: boolean) => void;
  with: (patch: Patch) => string;
}

export function useUrl(): Url {
  const whole = useSyncExternalStore(subscribe, address);
  const url = useMemo(() => new URL(whole, "http://here"), [whole]);
  const params = url.searchParams;
  const path = url.pathname;
  const withPatch = useCallback((patch: Patch) => href(path, params, patch), [path, params]);
  return useMemo(
    () => ({
      path,
      params,
      get: (name: string, otherwise = "") => params.get(name) ?? otherwise,
      set: (patch: Patch, replace = false) => navigate(withPatch(patch), replace),
      with: withPatch,
    }),
    [path, params, withPatch],
  );
}
