// The one place that speaks HTTP. A refusal becomes an ApiError with the server's own words, which
// say what was wrong and what is allowed, so that the views can show them as they are.
import { useQuery, type QueryKey, type UseQueryOptions, type UseQueryResult } from "@tanstack/react-query";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const base = "/api/v1";
export type Query = Record<string, string | number | boolean | null | undefined>;

function address(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return base + path + (text ? `?${text}` : "");
}

async function call<T>(url: string, options: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(url, options);
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === "AbortError") throw problem;
    throw new ApiError(0, "UNREACHABLE", "The API did not answer.");
  }
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok || body === null || typeof body !== "object") {
    const told = (body ?? {}) as { error?: string; code?: string };
    throw new ApiError(answer.status, told.code ?? "INTERNAL", told.error ?? `The API answered with status ${answer.status}.`);
  }
  return (body as { data: T }).data;
}

export function send<T>(method: "POST" | "PATCH", path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return call<T>(base + path, {
    method,
    signal,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** A GET whose answer is kept while its parameters stay the same. */
export function getQuery<T>(path: string, query: Query = {}): UseQueryOptions<T, ApiError> & { queryKey: QueryKey } {
  return {
    queryKey: [path, query],
    queryFn: ({ signal }) => call<T>(address(path, query), { signal }),
  };
}

export function useGet<T>(path: string, query: Query = {}, enabled = true): UseQueryResult<T, ApiError> {
  return useQuery<T, ApiError>({ ...getQuery<T>(path, query), enabled });
}

/** A question that is too long for an address, asked by POST; it changes nothing. */
export function useAsk<T>(path: string, body: unknown, enabled = true): UseQueryResult<T, ApiError> {
  return useQuery<T, ApiError>({
    queryKey: [path, body],
    queryFn: ({ signal }) => send<T>("POST", path, body, signal),
    enabled,
    placeholderData: (previous) => previous,
  });
}
