// The sign-in page's address; `next` is where to go afterwards.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../shell/route';
import { safeNext } from './next';

export const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { next?: string } => {
    const next = safeNext(search.next);
    return next === undefined ? {} : { next };
  },
  component: lazyRouteComponent(() => import('./SignIn'), 'SignIn'),
});
