// The frame of all pages but the sign-in, and the gate before it.

import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, Outlet } from '@tanstack/react-router';
import { Page } from '../ui/Page';
import { EmptyState } from '../ui/states';
import { Gate } from './Gate';

export const rootRoute = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Outlet,
  notFoundComponent: () => (
    <Page title="Not here">
      <EmptyState title="There is no such page.">The address may be mistyped, or of another version.</EmptyState>
    </Page>
  ),
});

export const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  component: Gate,
});
