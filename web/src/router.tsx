// Router: all pages. A new one is a folder under pages/ with a route.ts, and a line here.
import type { QueryClient } from '@tanstack/react-query';
import { createRouter } from '@tanstack/react-router';
import { appRoute, appsRoute, deployBuildRoute, deployRoute } from './pages/apps/route';
import { buildRoute, buildsRoute } from './pages/builds/route';
import { eventsRoute } from './pages/events/route';
import { imagesRoute } from './pages/images/route';
import { jobRoute, jobsRoute, newJobRoute } from './pages/jobs/route';
import { machineRoute, machinesRoute } from './pages/machines/route';
import { overviewRoute } from './pages/overview/route';
import { certificatesRoute, keysRoute, registriesRoute, settingsRoute } from './pages/settings/route';
import { signInRoute } from './pages/sign-in/route';
import { rootRoute, shellRoute } from './shell/route';
import { ErrorPanel } from './ui/states';

const tree = rootRoute.addChildren([
  signInRoute,
  shellRoute.addChildren([
    overviewRoute,
    machinesRoute,
    machineRoute,
    jobsRoute,
    newJobRoute,
    jobRoute,
    appsRoute,
    appRoute,
    deployRoute,
    deployBuildRoute,
    buildsRoute,
    buildRoute,
    imagesRoute,
    eventsRoute,
    settingsRoute,
    keysRoute,
    registriesRoute,
    certificatesRoute,
  ]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    basepath: '/dashboard',
    context: { client },
    defaultPreload: 'intent',
    defaultPreloadDelay: 80,
    defaultErrorComponent: ({ error, reset }) => <ErrorPanel error={error} onRetry={reset} />,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
