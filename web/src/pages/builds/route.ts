// Addresses of the builds; the filters of the list are in its address.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';
import { type BuildFilter, readFilter } from './words';

export const buildsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/builds',
  validateSearch: (search: Record<string, unknown>): BuildFilter => readFilter(search),
  component: lazyRouteComponent(() => import('./Builds'), 'Builds'),
});

export const buildRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/builds/$id',
  component: lazyRouteComponent(() => import('./BuildPage'), 'BuildPage'),
});
