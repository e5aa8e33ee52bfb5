// Stale: which queries an event makes out of date. Pure.
import type { EventView } from '../api/client';
import { keys } from '../api/queries';

export type Key = readonly unknown[];

/** Keys (or beginnings of keys) of the queries whose answer may have changed by `event`. */
export function staleBy(event: Pick<EventView, 'kind' | 'subject' | 'detail'>): Key[] {
  const noun = event.kind.split('.')[0] ?? '';
  switch (noun) {
    case 'job':
      // A machine's reserved amount changes with the jobs on it.
      return [keys.job(event.subject), keys.status, ['jobs', 'on'], keys.nodes];
    case 'node':
      return [keys.nodes, keys.apps, keys.status];
    case 'app':
    case 'release':
    case 'replica':
    case 'canary':
      return [keys.apps, keys.nodes, keys.status];
    case 'build':
      return [keys.builds, keys.nodes, keys.status];
    case 'disk':
      return [keys.nodes, keys.status];
    case 'images':
      return [['images']];
    case 'registry':
      return [['registries']];
    case 'key':
      return [['keys'], keys.session];
    default:
      return [[`${noun}s`]];
  }
}

/** Each key once. */
export function distinct(all: Key[]): Key[] {
  return [...new Map(all.map((key) => [JSON.stringify(key), key])).values()];
}
