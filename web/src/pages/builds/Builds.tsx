// Builds: sources that were made into images, the newest first.
import { Button, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useEffect, useState } from 'react';
import { api, type BuildSummary, take } from '../../api/client';
import { keys } from '../../api/queries';
import { bytes, count } from '../../lib/amounts';
import { type Column, DataTable } from '../../ui/DataTable';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Page } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer, EmptyState } from '../../ui/states';
import { Duration, TimeAgo } from '../../ui/TimeAgo';
import { buildsRoute } from './route';
import { type BuildFilter, commandOf, STATES, sourceOf } from './words';

const COLUMNS: Column<BuildSummary>[] = [
  {
    name: 'Build of',
    width: 'minmax(7rem, 1fr)',
    cell: (build) => (
      <Link to="/builds/$id" params={{ id: build.id }}>
        {build.name}
      </Link>
    ),
  },
  { name: 'State', width: '108px', cell: (build) => <StateBadge state={build.state} /> },
  { name: 'Is', width: 'minmax(5rem, 0.6fr)', wide: true, cell: (build) => build.kind || '–' },
  {
    name: 'Source',
    width: 'minmax(8rem, 1.4fr)',
    wide: true,
    cell: (build) => <code className="dim">{sourceOf(build)}</code>,
  },
  { name: 'Node', width: 'minmax(5rem, 0.7fr)', wide: true, cell: (build) => build.node ?? '–' },
  {
    name: 'Size',
    width: '80px',
    right: true,
    wide: true,
    cell: (build) => (build.size_bytes ? bytes(build.size_bytes) : '–'),
  },
  {
    name: 'Took',
    width: '92px',
    right: true,
    wide: true,
    cell: (build) => <Duration from={build.started_at} to={build.finished_at} />,
  },
  { name: 'Asked for', width: '92px', right: true, cell: (build) => <TimeAgo at={build.created_at} /> },
];

export function Builds() {
  const filter = buildsRoute.useSearch();
  const mayDeploy = useMay('deploy');
  const pages = useInfiniteQuery({
    queryKey: keys.buildList(filter),
    queryFn: ({ pageParam }) =>
      take(
        api.GET('/api/builds', {
          params: { query: { ...filter, ...(pageParam === null ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => (last.next === null ? undefined : Number(last.next)),
  });
  const { hasNextPage, isFetching, fetchNextPage } = pages;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const total = pages.data?.pages[0]?.total;
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <Page
      title="Builds"
      beside={total !== undefined && <span className="dim figure">{count(total, 'build')}</span>}
      command={commandOf(filter)}
      actions={
        mayDeploy && (
          <Button
            leftSection={<Icon name="plus" size={16} />}
            renderRoot={(props) => <Link to="/deploy" search={{ from: 'files' }} {...props} />}
          >
            New build
          </Button>
        )
      }
    >
      <Filters filter={filter} />
      <Answer of={pages} rows={6}>
        {(data) => (
          <DataTable
            label="Builds"
            columns={COLUMNS}
            rows={data.pages.flatMap((page) => page.items)}
            idOf={(build) => build.id}
            total={total ?? 0}
            onNearEnd={loadMore}
            empty={
              isFiltered ? (
                <EmptyState title="No build matches these filters.">
                  <Link to="/builds">Show all builds</Link>
                </EmptyState>
              ) : (
                <EmptyState title="No build yet.">
                  {mayDeploy ? (
                    <Link to="/deploy">Deploy an app from a folder, an archive or git</Link>
                  ) : (
                    'There is nothing to see so far.'
                  )}
                </EmptyState>
              )
            }
          />
        )}
      </Answer>
    </Page>
  );
}

function Filters({ filter }: { filter: BuildFilter }) {
  const navigate = buildsRoute.useNavigate();
  const [name, setName] = useState(filter.name ?? '');
  const set = (field: keyof BuildFilter, value: string | null) =>
    void navigate({
      search: (before) => ({ ...before, [field]: value?.trim() || undefined }) as BuildFilter,
      replace: true,
    });
  const tell = useDebouncedCallback((value: string) => set('name', value), 250);
  useEffect(() => setName(filter.name ?? ''), [filter.name]);
  return (
    <div className="filters" role="search" aria-label="Filter builds">
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
      <TextInput
        label="App"
        placeholder="exactly"
        w={140}
        size="xs"
        value={name}
        onChange={(event) => {
          setName(event.currentTarget.value);
          tell(event.currentTarget.value);
        }}
      />
      {Object.keys(filter).length > 0 && (
        <Button size="xs" variant="subtle" color="gray" renderRoot={(props) => <Link to="/builds" {...props} />}>
          Clear
        </Button>
      )}
    </div>
  );
}
