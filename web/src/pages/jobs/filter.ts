// Filter: which jobs the list shows: read from its address, told to the API, and applied to a single job. Pure.
import type { JobSummary } from '../../api/client';
import { shellQuote } from '../../lib/shell';

export const STATES = ['waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'skipped'] as const;
export type JobState = (typeof STATES)[number];

/** Every given field must match exactly. `label` is NAME=VALUE. */
export interface JobFilter {
  state?: JobState;
  name?: string;
  node?: string;
  label?: string;
  project?: string;
}

const TEXTS = ['name', 'node', 'label', 'project'] as const;

/** The filter of an address; what means nothing is left out. */
export function readFilter(search: Record<string, unknown>): JobFilter {
  const filter: JobFilter = {};
  const state = STATES.find((one) => one === search.state);
  if (state !== undefined) filter.state = state;
  for (const name of TEXTS) {
    const value = search[name];
    if (typeof value === 'string' && value !== '') filter[name] = value;
    if (typeof value === 'number') filter[name] = String(value); // a name that looks like one
  }
  if (filter.label !== undefined && !/^[^=]+=/.test(filter.label)) delete filter.label;
  return filter;
}

/** As the API's query. */
export function queryOf(filter: JobFilter) {
  const { label, ...rest } = filter;
  return { ...rest, ...(label === undefined ? {} : { label: [label] }) };
}

/** Whether a job belongs to the list. On which nodes earlier attempts were, a summary does not say: it is taken to match. */
export function matches(job: Pick<JobSummary, 'state' | 'name' | 'project' | 'labels'>, filter: JobFilter): boolean {
  if (filter.state !== undefined && job.state !== filter.state) return false;
  if (filter.name !== undefined && job.name !== filter.name) return false;
  if (filter.project !== undefined && job.project !== filter.project) return false;
  if (filter.label !== undefined) {
    const [name = '', ...value] = filter.label.split('=');
    if (job.labels[name] !== value.join('=')) return false;
  }
  return true;
}

/** The command that lists the same. */
export function commandOf(filter: JobFilter): string {
  const flags = (['state', 'name', 'node', 'label', 'project'] as const).flatMap((name) =>
    filter[name] === undefined ? [] : [`--${name} ${shellQuote(filter[name])}`],
  );
  return ['draas jobs list', ...flags].join(' ');
}
