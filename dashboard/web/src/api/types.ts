// What the API answers, by route. The OpenAPI description at /api/v1/openapi.json says the same.

export type Severity = "high" | "medium" | "low";
export type Condition = string | string[] | { min?: number; max?: number } | { count: { min?: number; max?: number } };
export type Conditions = Record<string, Condition>;

/** A rate as it is always told: with what is behind it. */
export interface Counted {
  failures: number;
  trials: number;
  rate: number | null;
  lower: number | null;
  upper: number | null;
}

export interface Pattern {
  id: number;
  pattern_key: string;
  description: string | null;
  failure_count: number;
  total_count: number;
  failure_rate: number;
  severity: Severity;
  last_occurrence: string | null;
  created_at: string;
  updated_at: string;
  conditions: Conditions | null;
  status: "active" | "resolved" | "inactive";
  rate_lower: number | null;
  rate_upper: number | null;
  baseline_rate: number | null;
  risk_ratio: number | null;
  q_value: number | null;
  first_detected_at: string | null;
  confirmed_at: string | null;
  candidate: boolean;
  caveat?: string | null; // what the data cannot tell it from
  source: string;
}

export interface Alternative {
  dimension: string;
  instead_of?: string;
  value?: string;
  label?: string;
  count?: { max?: number };
  before?: number; // end the scene before this segment
  rate: number;
  lower: number;
  upper: number;
  failures?: number;
  trials?: number;
  predicted: boolean;
  sentence: string;
}

export type Effectiveness = "resolved" | "improved" | "no_effect";
export type Verdict = Effectiveness | "worse" | "too early";

export interface Measured {
  verdict: Verdict;
  basis: "time" | "parameters";
  ratio: number | null;
  lower: number | null;
  upper: number | null;
  with_failures: number;
  with_trials: number;
  without_failures: number;
  without_trials: number;
  stopped_working: boolean;
}

export interface Fix {
  id: number;
  pattern_id: number;
  fix_description: string;
  fix_parameters: Record<string, unknown> | null;
  effectiveness: Effectiveness | null;
  reported_by_id: number;
  created_at: string;
  updated_at: string;
  measured: Measured | null;
  note_ids: number[] | null;
  description?: string;
}

export interface PatternDetail extends Pattern {
  alternatives: Alternative[];
  fixes: Fix[];
}

export interface AlertFix {
  id: number;
  pattern_id: number;
  fix_description: string;
  effectiveness?: Effectiveness;
  measured?: Verdict;
  ratio?: number;
  lower?: number;
  upper?: number;
  trials?: number;
  stopped_working?: boolean;
  related?: boolean;
}

export interface Alert extends Pattern {
  message: string;
  alternatives: Alternative[];
  fixes: AlertFix[];
  from_segment: number | null;
  folded: number[];
}

export interface Dimension {
  name: string;
  title: string;
  kind: "nominal" | "set" | "ordinal";
  choosable: boolean;
}

export interface Source {
  source: string;
  bucket_days: number;
  window_days: number;
  first: string | null;
  last: string | null;
  checks: string[];
  dimensions: Dimension[];
}

export interface DimensionValue extends Counted {
  value: string;
  label: string;
}

export interface AxisEntry {
  value: string;
  label: string;
  condition: Condition;
}

export interface Cell extends Counted {
  r: number;
  c: number;
  severity: Severity;
  color: string;
  enough_data: boolean;
}

export interface HeatmapData {
  row_dimension: string;
  col_dimension: string;
  rows: AxisEntry[];
  cols: AxisEntry[];
  cells: Cell[];
}

export interface Observation {
  observed_at: string;
  obs_key: string;
  source_key: string;
  failed: boolean;
  failed_checks: string[];
  job: string | null;
  dims: Record<string, string | number | (string | number)[] | null>;
  scores: Record<string, number> | null;
}

export interface ObservationPage {
  observations: Observation[];
  labels: Record<string, Record<string, string>>;
  next: string | null;
}

export interface TrendPoint extends Counted {
  time: string;
  level: number | null;
  level_lower: number | null;
  level_upper: number | null;
  gap: boolean;
  change: "regression" | "improvement" | "spike" | null;
}

export interface Cause {
  id: number | null;
  at: string;
  kind: string;
  label: string;
  origin: "captured" | "recorded" | "inferred";
  posterior: number;
}

export interface Change {
  source: string;
  dimension: string | null;
  value: string | null;
  label: string | null;
  conditions: Conditions;
  kind: "shift" | "spike";
  direction: "regression" | "improvement";
  at: string;
  at_lower: string;
  at_upper: string;
  failures_before: number;
  trials_before: number;
  rate_before: number;
  rate_before_lower: number;
  rate_before_upper: number;
  failures_after: number;
  trials_after: number;
  rate_after: number;
  rate_after_lower: number;
  rate_after_upper: number;
  difference: number;
  difference_lower: number;
  difference_upper: number;
  p_value: number;
  q_value: number;
  gap: boolean;
  low_counts: boolean;
  provisional: boolean;
  event: Cause | null;
  none_posterior: number | null;
  events: Cause[] | null;
  threshold_edit: boolean;
  mix_verdict: string | null;
  reading: string;
  change_key: string;
  part_of: string | null;
}

export interface PlatformEvent {
  id: number | null;
  at: string;
  kind: string;
  label: string;
  origin: "captured" | "recorded" | "inferred";
}

export interface Gate {
  step: number;
  gate: string;
  passed: boolean | null;
  against: string | null;
  failures: number | null;
  trials: number | null;
  rate: number | null;
  other_failures: number | null;
  other_trials: number | null;
  other_rate: number | null;
  risk_ratio: number | null;
  rr_lower: number | null;
  rr_upper: number | null;
  p_value: number | null;
  level: number | null;
  note: string | null;
}

export interface Contribution {
  label: string;
  log_odds?: number;
  risk_ratio?: number;
  trials?: number;
  failures?: number;
  sentence?: string;
}

export interface Prediction {
  probability: number;
  lower: number;
  upper: number;
  baseline_rate: number;
  contributions: Contribution[];
  data: { never_seen?: string[]; not_told?: string[]; trials?: number } & Record<string, unknown>;
  scene_probability: number | null;
  expected_failures: number | null;
}

export interface SourceStatus {
  source: string;
  observations: number;
  failures: number;
  newest_observation: string | null;
  last_refresh: string | null;
  dirty_buckets: number;
  pending_keys: number;
  active_patterns: number;
  error: string | null;
}
