// Events: what has happened, newest first, and what happens, by filters that are in the address.
import { Button, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import type { EventView } from '../../api/client';
import { sessionQuery } from '../../api/queries';
import { count } from '../../lib/amounts';
import { eventDetail } from '../../lib/eventText';
import { type Column, DataTable } from '../../ui/DataTable';
import { EventSubject } from '../../ui/EventRows';
import { Page } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { EmptyState, ErrorPanel, Loading } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { type EventFilter, kindsOf, matches } from './filter';
import { eventsRoute } from './route';
import { useEventHistory } from './useEventHistory';

const FIRST = 1000; // events to look back at
const MOST = 50_000;

const COLUMNS: Column<EventView>[] = [
  {
    name: 'What',
    width: 'minmax(8.5rem, 0.9fr)',
    cell: (event) => {
      const [noun = '', verb = ''] = event.kind.split('.');
      return (
        <>
          <span className="dim">{noun.replaceAll('_', ' ')}</span> <StateBadge state={verb.replaceAll('_', ' ')} />
        </>
      );
    },
  },
  { name: 'About', width: 'minmax(6rem, 1fr)', cell: (event) => <EventSubject event={event} /> },
  {
    name: 'Details',
    width: 'minmax(8rem, 2fr)',
    wide: true,
    cell: (event) => <span className="dim">{eventDetail(event)}</span>,
  },
  { name: 'Project', width: 'minmax(5rem, 0.6fr)', wide: true, cell: (event) => event.project || '–' },
  { name: 'When', width: '86px', right: true, cell: (event) => <TimeAgo at={event.at} /> },
];

export function Events() {
  const filter = eventsRoute.useSearch();
  const session = useQuery(sessionQuery).data;
  const [newest] = useState(session?.last_event ?? 0);
  const [back, setBack] = useState(FIRST);
  const since = Math.max(0, newest - back);
  const { events, isRead, error } = useEventHistory(since);
  const shown = useMemo(() => events.filter((event) => matches(event, filter)), [events, filter]);
  const isFiltered = Object.keys(filter).length > 0;
  const older = since > 0 && back < MOST && (
    <Button size="xs" variant="default" onClick={() => setBack(Math.min(10 * back, MOST))}>
      Look further back
    </Button>
  );
  return (
    <Page
      title="Events"
      beside={isRead && <span className="dim figure">{count(shown.length, 'event')}</span>}
      command="curl -N -H &quot;Authorization: Bearer $DRAAS_KEY&quot; $DRAAS_URL/api/events"
    >
      <Filters filter={filter} events={events} />
      {error !== null ? (
        <ErrorPanel error={error} />
      ) : !isRead ? (
        <Loading rows={10} />
      ) : (
        <>
          <DataTable
            label="Events"
            columns={COLUMNS}
            rows={shown}
            idOf={(event) => String(event.number)}
            empty={
              isFiltered ? (
                <EmptyState title="No event matches these filters.">
                  <Link to="/events">Show all events</Link>
                </EmptyState>
              ) : (
                <EmptyState title="Nothing has happened yet.">
                  Events of jobs, apps and machines appear here as they happen.
                </EmptyState>
              )
            }
          />
          {older && <div>{older}</div>}
        </>
      )}
    </Page>
  );
}

function Filters({ filter, events }: { filter: EventFilter; events: readonly EventView[] }) {
  const navigate = eventsRoute.useNavigate();
  const set = (name: keyof EventFilter, value: string | null) =>
    void navigate({
      search: (before) => ({ ...before, [name]: value?.trim() || undefined }) as EventFilter,
      replace: true,
    });
  const kinds = useMemo(() => kindsOf(events, filter.kind), [events, filter.kind]);
  return (
    <div className="filters" role="search" aria-label="Filter events">
      <Select
        label="Kind"
        placeholder="any"
        w={190}
        searchable
        clearable
        clearButtonProps={{ 'aria-label': 'Any kind' }}
        data={kinds}
        value={filter.kind ?? null}
        onChange={(value) => set('kind', value)}
      />
      <Field label="About" placeholder="name or id" value={filter.subject} onSet={(value) => set('subject', value)} />
      <Field label="Project" placeholder="any" value={filter.project} onSet={(value) => set('project', value)} />
      {Object.keys(filter).length > 0 && (
        <Button variant="subtle" renderRoot={(props) => <Link to="/events" {...props} />}>
          Clear
        </Button>
      )}
    </div>
  );
}

interface FieldProps {
  label: string;
  placeholder: string;
  value: string | undefined;
  onSet: (value: string) => void;
}

function Field({ label, placeholder, value, onSet }: FieldProps) {
  const [typed, setTyped] = useState(value ?? '');
  useEffect(() => setTyped(value ?? ''), [value]);
  const setSoon = useDebouncedCallback(onSet, 250);
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      w={170}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        setSoon(event.currentTarget.value);
      }}
    />
  );
}
