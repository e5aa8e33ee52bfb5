// Addresses of the apps and of deploying. The forms stand outside /apps/: an app may have any name.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';
import { type RangeKey, readRange } from '../../ui/charts/ranges';

export const appsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/apps',
  component: lazyRouteComponent(() => import('./Apps'), 'Apps'),
});

/** `from` and `to`: releases that are compared. `replica`: whose output is shown. `range`: how far back charts reach. */
export interface AppSearch {
  from?: number;
  to?: number;
  replica?: number;
  range?: RangeKey;
}

const whole = (given: unknown): number | undefined =>
  Number.isInteger(Number(given)) && Number(given) > 0 ? Number(given) : undefined;

export const appRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/apps/$name',
  validateSearch: (search: Record<string, unknown>): AppSearch => {
    const read = Object.entries({
      from: whole(search.from),
      to: whole(search.to),
      replica: whole(search.replica),
      range: readRange(search.range),
    });
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  },
  component: lazyRouteComponent(() => import('./AppPage'), 'AppPage'),
});

/** `app`: a new version of it. `build`: of the image that this build made. `from`: what the form begins with, an image otherwise. */
export interface DeploySearch {
  app?: string;
  build?: string;
  from?: 'files' | 'git';
}

export const deployRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/deploy',
  validateSearch: (search: Record<string, unknown>): DeploySearch => ({
    ...(typeof search.app === 'string' ? { app: search.app } : {}),
    ...(typeof search.build === 'string' ? { build: search.build } : {}),
    ...(search.from === 'files' || search.from === 'git' ? { from: search.from } : {}),
  }),
  component: lazyRouteComponent(() => import('./Deploy'), 'Deploy'),
});

/** A deployment from a source: the build, then the roll-out. */
export const deployBuildRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/deploy/$build',
  component: lazyRouteComponent(() => import('./Deployment'), 'Deployment'),
});
