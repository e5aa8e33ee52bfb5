// Address of the events; their filters are in it.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';
import { type EventFilter, readFilter } from './filter';

export const eventsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/events',
  validateSearch: (search: Record<string, unknown>): EventFilter => readFilter(search),
  component: lazyRouteComponent(() => import('./Events'), 'Events'),
});
