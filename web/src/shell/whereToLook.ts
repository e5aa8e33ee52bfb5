// Where to look: the page of what a problem of the cluster is about. Pure.
import type { Schemas } from '../api/client';

const PAGES: Record<string, string> = {
  machine: '/machines',
  controller: '/settings',
  app: '/apps',
  job: '/jobs',
  build: '/builds',
};

export function whereToLook({ kind, subject }: Schemas['AboutPart']): string {
  const page = PAGES[kind] ?? '/machines';
  return subject === '' ? page : `${page}/${encodeURIComponent(subject)}`;
}
