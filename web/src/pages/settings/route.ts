// Addresses of the settings. What a dialog is open for stands in them, so that it can be linked to.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';

export interface Asking {
  new?: boolean;
}

const validateSearch = (search: Record<string, unknown>): Asking => (search.new ? { new: true } : {});

export const settingsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/settings',
  component: lazyRouteComponent(() => import('./About'), 'About'),
});

export const keysRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/settings/keys',
  validateSearch,
  component: lazyRouteComponent(() => import('./Keys'), 'Keys'),
});

export const registriesRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/settings/registries',
  validateSearch,
  component: lazyRouteComponent(() => import('./Registries'), 'Registries'),
});

export const certificatesRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/settings/certificates',
  validateSearch,
  component: lazyRouteComponent(() => import('./Certificates'), 'Certificates'),
});
