// Addresses of the machines.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';

export const machinesRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/machines',
  component: lazyRouteComponent(() => import('./Machines'), 'Machines'),
});

export const machineRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/machines/$name',
  component: lazyRouteComponent(() => import('./MachinePage'), 'MachinePage'),
});
