// Address of the images; the one repository that is shown is in it.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';

export const imagesRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/images',
  validateSearch: (search: Record<string, unknown>): { repository?: string } =>
    typeof search.repository === 'string' && search.repository !== '' ? { repository: search.repository } : {},
  component: lazyRouteComponent(() => import('./Images'), 'Images'),
});
