// useJobList: the jobs that match a filter, page by page, kept current by events without reading all of them again.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef } from 'react';
import { api, type JobSummary, take } from '../../api/client';
import { keys } from '../../api/queries';
import { paced } from '../../lib/paced';
import { useEvents } from '../../live/Live';
import { type JobFilter, matches, queryOf } from './filter';
import { append, type Loaded, refresh, replace } from './pages';

const FIRST = 100;
const FURTHER = 500;
const EVERY_MS = 250;
const SINGLES = 20; // jobs further down that are read one by one; with more, the next look at them will do

const read = (filter: JobFilter, limit: number, cursor?: number) =>
  take(
    api.GET('/api/jobs', {
      params: { query: { ...queryOf(filter), limit, ...(cursor === undefined ? {} : { cursor }) } },
    }),
  );

export function useJobList(filter: JobFilter) {
  const client = useQueryClient();
  const key = keys.jobList(filter);
  const list = useQuery<Loaded>({
    queryKey: key,
    queryFn: async () => {
      const before = client.getQueryData<Loaded>(key);
      const first = await read(filter, FIRST);
      const now = client.getQueryData<Loaded>(key) ?? before;
      return now === undefined ? first : refresh(now, first);
    },
    staleTime: 2000,
  });

  const isLoadingMore = useRef(false);
  const loadMore = useCallback(async () => {
    const now = client.getQueryData<Loaded>(keys.jobList(filter));
    if (isLoadingMore.current || now === undefined || now.next === null) return;
    isLoadingMore.current = true;
    try {
      const page = await read(filter, FURTHER, Number(now.next));
      client.setQueryData<Loaded>(keys.jobList(filter), (loaded) => loaded && append(loaded, page));
    } catch {
      // the next look at the end tries again
    } finally {
      isLoadingMore.current = false;
    }
  }, [client, filter]);

  const changed = useRef(new Set<string>());
  const readAgain = useCallback(async () => {
    const ids = changed.current;
    changed.current = new Set();
    await client.invalidateQueries({ queryKey: keys.jobList(filter), exact: true });
    const below = client.getQueryData<Loaded>(keys.jobList(filter))?.items.slice(FIRST) ?? [];
    const far = below.filter((job) => ids.has(job.id)).slice(0, SINGLES);
    if (far.length === 0) return;
    const found = new Map<string, JobSummary | null>();
    await Promise.all(
      far.map(async ({ id }) => {
        const { data, response } = await api.GET('/api/jobs/{id}', { params: { path: { id } } });
        if (data !== undefined) found.set(id, matches(data, filter) ? data : null);
        else if (response.status === 404) found.set(id, null);
      }),
    ).catch(() => undefined);
    client.setQueryData<Loaded>(keys.jobList(filter), (loaded) => loaded && replace(loaded, found));
  }, [client, filter]);

  const reading = useMemo(() => paced(EVERY_MS, readAgain), [readAgain]);
  useEffect(() => reading.stop, [reading]);
  useEvents((events) => {
    for (const event of events) if (event.kind.startsWith('job.')) changed.current.add(event.subject);
    if (changed.current.size > 0) reading.ask();
  });
  return { list, loadMore };
}
