// EventRows: events in words, each leading to what it is about.
import { Link } from '@tanstack/react-router';
import type { EventView } from '../api/client';
import { eventDetail, eventSubject } from '../lib/eventText';
import { StateBadge } from './StateBadge';
import { TimeAgo } from './TimeAgo';

export function EventRows({ events }: { events: readonly EventView[] }) {
  return (
    <div className="rows">
      {events.map((event) => {
        const [noun = '', verb = ''] = event.kind.split('.');
        return (
          <div key={event.number}>
            <StateBadge state={verb} />
            <span className="grow one-line">
              {noun} <EventSubject event={event} /> <span className="dim">{eventDetail(event)}</span>
            </span>
            <span className="dim">
              <TimeAgo at={event.at} />
            </span>
          </div>
        );
      })}
    </div>
  );
}

/** What an event is about, as a link where there is a page of it. */
export function EventSubject({ event }: { event: EventView }) {
  const noun = event.kind.split('.')[0] ?? '';
  const told = eventSubject(event);
  if (noun === 'job' && event.kind !== 'job.deleted') {
    return (
      <Link to="/jobs/$id" params={{ id: event.subject }}>
        {told}
      </Link>
    );
  }
  if (noun === 'node' && event.kind !== 'node.left') {
    return (
      <Link to="/machines/$name" params={{ name: told }}>
        {told}
      </Link>
    );
  }
  if (noun === 'build' && event.kind !== 'build.deleted') {
    return (
      <Link to="/builds/$id" params={{ id: event.subject }}>
        {told}
      </Link>
    );
  }
  if (['app', 'release', 'replica'].includes(noun) && event.kind !== 'app.removed') {
    return (
      <Link to="/apps/$name" params={{ name: told }}>
        {told}
      </Link>
    );
  }
  return <b>{told}</b>;
}
