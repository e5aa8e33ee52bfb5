// Queries: what pages read, each under the key by which live.ts marks it as stale.
import { queryOptions } from '@tanstack/react-query';
import { type Range, sinceOf } from '../ui/charts/ranges';
import { api, take } from './client';

const LOAD_MS = 5000; // measured loads are in no event

export const keys = {
  session: ['session'] as const,
  nodes: ['nodes'] as const,
  node: (id: string) => ['nodes', 'one', id] as const,
  samples: (id: string, range: string) => ['samples', id, range] as const,
  appSamples: (name: string, range: string) => ['app-samples', name, range] as const,
  apps: ['apps'] as const,
  app: (name: string) => ['apps', 'one', name] as const,
  jobs: ['jobs'] as const,
  status: ['status'] as const,
  jobList: (filter: object) => ['job-list', filter] as const, // kept current by its own code, see useJobList
  job: (id: string) => ['jobs', 'one', id] as const,
  explain: (id: string) => ['jobs', 'one', id, 'explain'] as const,
  images: ['images'] as const,
  imagePlan: ['images', 'plan'] as const,
  registries: ['registries'] as const,
  allKeys: ['keys'] as const,
  onNode: (name: string) => ['jobs', 'on', name] as const,
  releases: (name: string) => ['apps', 'one', name, 'releases'] as const,
  appExplain: (name: string) => ['apps', 'one', name, 'explain'] as const,
  builds: ['builds'] as const,
  buildList: (filter: object) => ['builds', 'list', filter] as const,
  build: (id: string) => ['builds', 'one', id] as const,
  buildExplain: (id: string) => ['builds', 'one', id, 'explain'] as const,
  certificates: ['certificates'] as const,
  about: ['about'] as const,
};

export const sessionQuery = queryOptions({
  queryKey: keys.session,
  queryFn: () => take(api.GET('/api/session')),
  staleTime: 10 * 60_000,
  refetchInterval: 10 * 60_000, // what keeps a session of somebody who looks at the page
  refetchOnWindowFocus: true,
});

export const nodesQuery = queryOptions({
  queryKey: keys.nodes,
  queryFn: () => take(api.GET('/api/nodes')),
  refetchInterval: LOAD_MS,
});

export const nodeQuery = (id: string) =>
  queryOptions({
    queryKey: keys.node(id),
    queryFn: () => take(api.GET('/api/nodes/{id}', { params: { path: { id } } })),
    refetchInterval: LOAD_MS,
  });

/** A machine's load over a range. */
export const samplesQuery = (id: string, range: Range) =>
  queryOptions({
    queryKey: keys.samples(id, range.key),
    queryFn: () =>
      take(api.GET('/api/nodes/{id}/metrics', { params: { path: { id }, query: { since: sinceOf(range) } } })),
    refetchInterval: range.againMs,
    staleTime: range.againMs / 2,
  });

/** What an app did over a range. */
export const appSamplesQuery = (name: string, range: Range) =>
  queryOptions({
    queryKey: keys.appSamples(name, range.key),
    queryFn: () =>
      take(api.GET('/api/apps/{name}/metrics', { params: { path: { name }, query: { since: sinceOf(range) } } })),
    refetchInterval: range.againMs,
    staleTime: range.againMs / 2,
  });

export const appsQuery = queryOptions({ queryKey: keys.apps, queryFn: () => take(api.GET('/api/apps')) });

export const appQuery = (name: string) =>
  queryOptions({
    queryKey: keys.app(name),
    queryFn: () => take(api.GET('/api/apps/{name}', { params: { path: { name } } })),
  });

export const releasesQuery = (name: string) =>
  queryOptions({
    queryKey: keys.releases(name),
    queryFn: () => take(api.GET('/api/apps/{name}/releases', { params: { path: { name } } })),
  });

export const appExplainQuery = (name: string) =>
  queryOptions({
    queryKey: keys.appExplain(name),
    queryFn: () => take(api.GET('/api/apps/{name}/explain', { params: { path: { name } } })),
  });

export const buildQuery = (id: string) =>
  queryOptions({
    queryKey: keys.build(id),
    queryFn: () => take(api.GET('/api/builds/{id}', { params: { path: { id } } })),
  });

export const buildExplainQuery = (id: string) =>
  queryOptions({
    queryKey: keys.buildExplain(id),
    queryFn: () => take(api.GET('/api/builds/{id}/explain', { params: { path: { id } } })),
  });

export const certificatesQuery = queryOptions({
  queryKey: keys.certificates,
  queryFn: () => take(api.GET('/api/certificates')),
});

export const aboutQuery = queryOptions({
  queryKey: keys.about,
  queryFn: () => take(api.GET('/api/about')),
  staleTime: 10 * 60_000, // only a restart changes it
});

export const keysQuery = queryOptions({ queryKey: keys.allKeys, queryFn: () => take(api.GET('/api/keys')) });

export const registriesQuery = queryOptions({
  queryKey: keys.registries,
  queryFn: () => take(api.GET('/api/registries')),
});

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: keys.job(id),
    queryFn: () => take(api.GET('/api/jobs/{id}', { params: { path: { id } } })),
  });

export const explainQuery = (id: string) =>
  queryOptions({
    queryKey: keys.explain(id),
    queryFn: () => take(api.GET('/api/jobs/{id}/explain', { params: { path: { id } } })),
  });

export const imagesQuery = queryOptions({
  queryKey: keys.images,
  queryFn: () => take(api.GET('/api/images')),
  refetchInterval: 30_000, // a push is in no event
});

/** What a prune would delete now. */
export const imagePlanQuery = queryOptions({
  queryKey: keys.imagePlan,
  queryFn: () => take(api.GET('/api/images/plan')),
  staleTime: 0,
  gcTime: 0,
});

/** Jobs that wait for others, the newest hundred. */
export const waitingQuery = queryOptions({
  queryKey: [...keys.status, 'waiting'],
  queryFn: () => take(api.GET('/api/jobs', { params: { query: { state: 'waiting', limit: 100 } } })),
});

/** Jobs that run on a machine now, the newest hundred. */
export const onNodeQuery = (name: string) =>
  queryOptions({
    queryKey: keys.onNode(name),
    queryFn: () => take(api.GET('/api/jobs', { params: { query: { node: name, state: 'running', limit: 100 } } })),
  });

/** How the cluster is, and how many jobs are in each of the states that the overview speaks of. */
export const statusQuery = queryOptions({
  queryKey: keys.status,
  queryFn: () => take(api.GET('/api/status')),
  refetchInterval: 2 * LOAD_MS, // replicas and disks are in no event
});
