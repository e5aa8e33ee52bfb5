// The overview's address.
import { createRoute } from '@tanstack/react-router';
import { shellRoute } from '../../shell/route';
import { Overview } from './Overview';

export const overviewRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/',
  component: Overview, // of the first load: a page of its own would be one more way to the controller and back
});
