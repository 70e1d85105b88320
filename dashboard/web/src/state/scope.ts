// What part of the data a view looks at: source, period, check and filter, from the address, in the
// form that the API takes.
import { useQueries, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useMemo } from "react";
import { getQuery, useGet, type ApiError } from "../api/client";
import type { Conditions, DimensionValue, Source } from "../api/types";
import { capital, readConditions } from "../lib/format";
import { useUrl } from "./url";

export interface Scope {
  source: string;
  since: string;
  until: string;
  check: string;
  filter: Conditions;
}

const dayBack = (days: number): string => new Date(Date.now() - days * 86400000).toISOString().slice(0, 10);
const isDate = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text);

export function useScope(): Scope {
  const url = useUrl();
  const text = url.get("filter");
  const filter = useMemo(() => readConditions(text), [text]);
  const period = url.get("period");
  let since = url.get("since");
  let until = url.get("until");
  if (period === "7" || period === "30") {
    since = dayBack(Number(period) - 1);
    until = "";
  } else if (period !== "custom") {
    since = "";
    until = "";
  }
  return {
    source: url.get("source"),
    since: isDate(since) ? since : "",
    // a day that a person names is meant to be in it, the API's bound is exclusive
    until: isDate(until) ? new Date(Date.parse(until) + 86400000).toISOString().slice(0, 10) : "",
    check: url.get("check"),
    filter,
  };
}

/** Titles are words of sentences ("at segment 6"); here they are headings. */
const titled = (about: Source): Source => ({ ...about, dimensions: about.dimensions.map((d) => ({ ...d, title: capital(d.title) })) });

export function useSource(source: string): UseQueryResult<Source, ApiError> {
  return useQuery({ ...getQuery<Source>("/analytics/dimensions", { source }), select: titled });
}

export const useValues = (dimension: string, source: string) =>
  useGet<DimensionValue[]>(`/analytics/dimensions/${encodeURIComponent(dimension)}/values`, { source }, dimension !== "");

/** The names of all values of a source, as far as they have come. */
export function useLabels(about: Source): (dimension: string, value: string) => string {
  return useQueries({
    queries: about.dimensions.map((d) => getQuery<DimensionValue[]>(`/analytics/dimensions/${encodeURIComponent(d.name)}/values`, { source: about.source })),
    combine: (answers) => {
      const names = new Map<string, string>();
      answers.forEach((answer, i) => {
        for (const v of answer.data ?? []) names.set(`${about.dimensions[i].name}\n${v.value}`, v.label);
      });
      return (dimension: string, value: string) => names.get(`${dimension}\n${value}`) ?? value;
    },
  });
}
