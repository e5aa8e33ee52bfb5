// Jobs: all of them, newest first, by filters that are in the address.
import { Button, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import type { JobSummary } from '../../api/client';
import { count } from '../../lib/amounts';
import { commandText } from '../../lib/shell';
import { type Column, DataTable } from '../../ui/DataTable';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Page } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer, EmptyState } from '../../ui/states';
import { Duration, TimeAgo } from '../../ui/TimeAgo';
import { commandOf, type JobFilter, STATES } from './filter';
import { jobsRoute } from './route';
import { useJobList } from './useJobList';

const COLUMNS: Column<JobSummary>[] = [
  {
    name: 'Job',
    width: 'minmax(8rem, 1.3fr)',
    cell: (job) => (
      <Link to="/jobs/$id" params={{ id: job.id }}>
        {job.name || job.id}
      </Link>
    ),
  },
  { name: 'State', width: '108px', cell: (job) => <StateBadge state={job.state} /> },
  {
    name: 'Command',
    width: 'minmax(8rem, 2fr)',
    wide: true,
    cell: (job) => <code className="dim">{commandText(job.command)}</code>,
  },
  { name: 'Node', width: 'minmax(5rem, 0.7fr)', wide: true, cell: (job) => job.node ?? '–' },
  { name: 'Exit', width: '44px', right: true, wide: true, cell: (job) => job.exit_code ?? '–' },
  {
    name: 'Took',
    width: '92px',
    right: true,
    wide: true,
    cell: (job) => <Duration from={job.started_at} to={job.finished_at} />,
  },
  { name: 'Submitted', width: '92px', right: true, cell: (job) => <TimeAgo at={job.created_at} /> },
];

export function Jobs() {
  const filter = jobsRoute.useSearch();
  const { list, loadMore } = useJobList(filter);
  const mayDeploy = useMay('deploy');
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <Page
      title="Jobs"
      beside={list.data && <span className="dim figure">{count(list.data.total, 'job')}</span>}
      command={commandOf(filter)}
      actions={
        mayDeploy && (
          <Button
            leftSection={<Icon name="plus" size={16} />}
            renderRoot={(props) => <Link to="/jobs/new" {...props} />}
          >
            Submit a job
          </Button>
        )
      }
    >
      <Filters filter={filter} />
      <Answer of={list} rows={10}>
        {(loaded) => (
          <DataTable
            label="Jobs"
            columns={COLUMNS}
            rows={loaded.items}
            idOf={(job) => job.id}
            total={loaded.total}
            onNearEnd={loadMore}
            empty={
              isFiltered ? (
                <EmptyState title="No job matches these filters.">
                  <Link to="/jobs">Show all jobs</Link>
                </EmptyState>
              ) : (
                <EmptyState title="No job yet.">
                  {mayDeploy ? <Link to="/jobs/new">Submit the first one</Link> : 'There is nothing to see so far.'}
                </EmptyState>
              )
            }
          />
        )}
      </Answer>
    </Page>
  );
}

const FIELDS = [
  { name: 'name', label: 'Name', placeholder: 'exactly' },
  { name: 'node', label: 'Node', placeholder: 'name or id' },
  { name: 'label', label: 'Label', placeholder: 'name=value' },
  { name: 'project', label: 'Project', placeholder: 'any' },
] as const;

function Filters({ filter }: { filter: JobFilter }) {
  const navigate = jobsRoute.useNavigate();
  const set = (name: keyof JobFilter, value: string | null) =>
    void navigate({
      search: (before) => ({ ...before, [name]: value?.trim() || undefined }) as JobFilter,
      replace: true,
    });
  return (
    <div className="filters" role="search" aria-label="Filter jobs">
      <Select
        label="State"
        placeholder="any"
        w={140}
        size="xs"
        clearable
        clearButtonProps={{ 'aria-label': 'Any state' }}
        data={[...STATES]}
        value={filter.state ?? null}
        onChange={(value) => set('state', value)}
      />
      {FIELDS.map((field) => (
        <FilterText
          key={field.name}
          {...field}
          value={filter[field.name] ?? ''}
          onChange={(value) => set(field.name, value)}
        />
      ))}
      {Object.keys(filter).length > 0 && (
        <Button size="xs" variant="subtle" color="gray" renderRoot={(props) => <Link to="/jobs" {...props} />}>
          Clear
        </Button>
      )}
    </div>
  );
}

interface FilterTextProps {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
}

/** Tells what was typed once the typing pauses. */
function FilterText({ label, placeholder, value, onChange }: FilterTextProps) {
  const [text, setText] = useState(value);
  const tell = useDebouncedCallback(onChange, 250);
  useEffect(() => setText(value), [value]);
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      w={140}
      size="xs"
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        tell(event.currentTarget.value);
      }}
    />
  );
}
