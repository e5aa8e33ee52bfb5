// Needs: the jobs around a job: those that it needs, and those that wait for it.
import { Text } from '@mantine/core';
import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import type { Job, JobSummary } from '../../api/client';
import { jobQuery, waitingQuery } from '../../api/queries';
import { Section } from '../../ui/Page';
import { Loading } from '../../ui/states';
import { needsOf } from './dag';

const Drawing = lazy(() => import('./Dag'));
const MOST = 60; // jobs in one drawing

export function Needs({ job }: { job: Job }) {
  const waiting = useQuery(waitingQuery).data?.items ?? [];
  const after = waiting.filter((other) => other.needs.includes(job.id));
  if (job.needs.length === 0 && after.length === 0) return null;
  return (
    <Section title="What it needs, and what waits for it">
      <Graph job={job} after={after.slice(0, MOST)} />
    </Section>
  );
}

function Graph({ job, after }: { job: Job; after: readonly JobSummary[] }) {
  const [before, missing, isLoading] = useNeeds(job);
  return (
    <>
      {isLoading ? (
        <Loading rows={3} />
      ) : (
        <Suspense fallback={<Loading rows={3} />}>
          <Drawing jobs={[...before, ...after]} self={job.id} />
        </Suspense>
      )}
      {missing > 0 && (
        <Text size="sm" c="dimmed">
          {missing} more cannot be shown: deleted, or too many.
        </Text>
      )}
    </>
  );
}

/** The job and all that it needs, as far as they are there; how many are not; whether some are still asked for. */
function useNeeds(job: Job): [JobSummary[], number, boolean] {
  const client = useQueryClient();
  // What is known already says what else is to be read: with each answer there may be more.
  const inCache = new Map<string, JobSummary>([[job.id, job]]);
  const asked: string[] = [];
  for (let [, unknown] = needsOf<JobSummary>(job, inCache, MOST); unknown.length > 0; ) {
    asked.push(...unknown);
    let isMore = false;
    for (const id of unknown) {
      const one = client.getQueryData(jobQuery(id).queryKey);
      if (one !== undefined) {
        inCache.set(id, one);
        isMore = true;
      }
    }
    if (!isMore) break;
    unknown = needsOf<JobSummary>(job, inCache, MOST)[1].filter((id) => !asked.includes(id));
  }
  const answers = useQueries({ queries: asked.map((id) => ({ ...jobQuery(id), retry: false })) });
  const [found, unknown] = needsOf<JobSummary>(job, inCache, MOST);
  return [found, unknown.length, answers.some((answer) => answer.isPending)];
}
