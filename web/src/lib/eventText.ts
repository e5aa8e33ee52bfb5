// EventText: an event in words. Pure.
import type { EventView } from '../api/client';

type Told = Pick<EventView, 'kind' | 'subject' | 'detail'>;

/** "job hello" or its id: of what the event tells. */
export function eventSubject(event: Told): string {
  const name = event.detail.name;
  return typeof name === 'string' && name !== '' ? name : event.subject;
}

/** The facts of an event that its kind and name do not say: "node vm, exit code 3". */
export function eventDetail(event: Told): string {
  return Object.entries(event.detail)
    .filter(([name, value]) => name !== 'name' && value !== null && value !== '' && value !== false)
    .map(([name, value]) => (value === true ? name.replaceAll('_', ' ') : `${name.replaceAll('_', ' ')} ${value}`))
    .join(', ');
}
