// Main: what the page is made of, put together.
import './mantine';
import './theme.css';
import './styles.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { whenSignedOut } from './api/client';
import { asProblem } from './api/problem';
import { appsQuery, keys, nodesQuery, sessionQuery, statusQuery } from './api/queries';
import { makeRouter } from './router';
import { theme } from './theme';
import { Toasts } from './ui/toasts';

const PATIENCE_MS = 500;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000, // events say when something has changed
      refetchOnWindowFocus: false,
      retry: (failures, error) => {
        const { status } = asProblem(error);
        return (status === 0 || status >= 500) && failures < 30; // the controller comes back
      },
      retryDelay: (failures) => Math.min(300 * 2 ** failures, 5000),
      networkMode: 'always', // "offline" says nothing about a controller on this machine
    },
    mutations: { networkMode: 'always' },
  },
});
whenSignedOut(() => void client.invalidateQueries({ queryKey: keys.session }));

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
// Where the library that keeps the page from scrolling behind a dialog looks for it.
Object.assign(globalThis, { __webpack_nonce__: nonce });

const router = makeRouter(client);

/** What the head of every page tells, and who asks. */
async function readFirst(): Promise<void> {
  await client.prefetchQuery(sessionQuery);
  if (!client.getQueryData(sessionQuery.queryKey)?.signed_in) return;
  await Promise.all([
    client.prefetchQuery(nodesQuery),
    client.prefetchQuery(appsQuery),
    client.prefetchQuery(statusQuery),
  ]);
}

function draw(): void {
  createRoot(document.getElementById('root')!).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        getStyleNonce={() => nonce}
        withCssVariables={false} // they are in theme.css
        withGlobalClasses={false}
      >
        <Toasts />
        <QueryClientProvider client={client}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}

// The page is drawn once, with what it says: each drawing of less before costs a slow machine as much as this one.
const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
void Promise.race([Promise.all([router.load(), readFirst()]), patience]).then(draw, draw);
