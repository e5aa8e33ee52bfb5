// Words: builds as people say them, and which of them the list shows. Pure.
import type { Build, BuildSummary } from '../../api/client';
import { shellQuote } from '../../lib/shell';
import { duration } from '../../lib/time';

export const STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export const ENDED: readonly string[] = ['succeeded', 'failed', 'cancelled', 'skipped'];

/** Every given field must match exactly. `name` is the app's. */
export interface BuildFilter {
  state?: (typeof STATES)[number];
  name?: string;
}

/** The filter of an address; what means nothing is left out. */
export function readFilter(search: Record<string, unknown>): BuildFilter {
  const state = STATES.find((one) => one === search.state);
  const name = typeof search.name === 'number' ? String(search.name) : search.name;
  return { ...(state ? { state } : {}), ...(typeof name === 'string' && name !== '' ? { name } : {}) };
}

/** The command that lists the same. */
export function commandOf({ state, name }: BuildFilter): string {
  return [
    'draas builds',
    ...(state || name ? ['list'] : []),
    ...(state ? [`--state ${state}`] : []),
    ...(name ? [`--name ${shellQuote(name)}`] : []),
  ].join(' ');
}

/** Where the source is from: "upload sha256:0123…" or the URL. */
export const sourceOf = (build: Pick<BuildSummary, 'git' | 'source'>): string =>
  build.git ?? (build.source === null ? '–' : `upload ${build.source.digest.slice(0, 19)}`);

/** What ended a build that has no image. */
export function buildFailure(build: Build): string {
  const last = build.attempts.at(-1);
  const told = last?.detail || build.reason;
  if (last?.oom) return `It used more memory than it may (${build.resources.memory_mb} MiB)${told ? `: ${told}` : ''}`;
  if (build.cause === 'timeout') return `It took longer than ${duration(build.timeout_s ?? 0)}.`;
  if (told) return told;
  if (build.exit_code !== null && build.exit_code !== 0) return `It ended with exit code ${build.exit_code}.`;
  return `It ${build.state}.`;
}
