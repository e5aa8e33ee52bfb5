// Filter: which events the page shows: read from its address and applied to each. Pure.
import type { EventView } from '../../api/client';
import { eventSubject } from '../../lib/eventText';

export interface EventFilter {
  /** A noun ("job") or a whole kind ("job.failed"). */
  kind?: string;
  /** An id or a name; a part of it is enough. */
  subject?: string;
  project?: string;
}

const FIELDS = ['kind', 'subject', 'project'] as const;

/** The filter of an address; what means nothing is left out. */
export function readFilter(search: Record<string, unknown>): EventFilter {
  const filter: EventFilter = {};
  for (const name of FIELDS) {
    const value = search[name];
    if ((typeof value === 'string' && value !== '') || typeof value === 'number') filter[name] = String(value);
  }
  return filter;
}

export function matches(event: EventView, filter: EventFilter): boolean {
  const { kind, subject, project } = filter;
  if (kind !== undefined && event.kind !== kind && !event.kind.startsWith(`${kind}.`)) return false;
  if (project !== undefined && event.project !== project) return false;
  return subject === undefined || event.subject.includes(subject) || eventSubject(event).includes(subject);
}

/** Nouns and whole kinds that are there, for choosing. */
export function kindsOf(events: readonly EventView[], chosen: string | undefined): string[] {
  const found = new Set(events.flatMap(({ kind }) => [kind, kind.split('.')[0]!]));
  if (chosen !== undefined) found.add(chosen);
  return [...found].sort();
}
