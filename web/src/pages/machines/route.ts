// Addresses of the machines.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';
import { type RangeKey, readRange } from '../../ui/charts/ranges';

export const machinesRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/machines',
  component: lazyRouteComponent(() => import('./Machines'), 'Machines'),
});

export const machineRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/machines/$name',
  validateSearch: (search: Record<string, unknown>): { range?: RangeKey } => {
    const range = readRange(search.range);
    return range === undefined ? {} : { range };
  },
  component: lazyRouteComponent(() => import('./MachinePage'), 'MachinePage'),
});
