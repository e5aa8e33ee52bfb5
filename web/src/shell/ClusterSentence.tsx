// ClusterSentence: the state of the cluster as the head of every page shows it.
import { useQuery } from '@tanstack/react-query';
import { appsQuery, jobCountsQuery, nodesQuery } from '../api/queries';
import { clusterSentence, type Sentence } from './sentence';

/** Null until all of it is known: half of the truth is none. */
export function useClusterSentence(): Sentence | null {
  const nodes = useQuery(nodesQuery);
  const apps = useQuery(appsQuery);
  const jobs = useQuery(jobCountsQuery);
  if (nodes.data === undefined || apps.data === undefined || jobs.data === undefined) return null;
  return clusterSentence(nodes.data.items, apps.data.items, jobs.data);
}

export function ClusterSentence() {
  const sentence = useClusterSentence();
  if (sentence === null) return null;
  return (
    <span className="sentence" data-tone={sentence.tone} title={sentence.remedy}>
      {sentence.text}
    </span>
  );
}
