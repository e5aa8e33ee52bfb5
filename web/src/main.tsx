// Main: what the page is made of, put together.
import './mantine';
import './styles.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { whenSignedOut } from './api/client';
import { asProblem } from './api/problem';
import { keys, sessionQuery } from './api/queries';
import { makeRouter } from './router';
import { theme, variables } from './theme';
import { Toasts } from './ui/toasts';

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

void client.prefetchQuery(sessionQuery); // nothing is shown before it is known who asks: asked first

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
// Where the library that keeps the page from scrolling behind a dialog looks for it.
Object.assign(globalThis, { __webpack_nonce__: nonce });

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <Toasts />
      <QueryClientProvider client={client}>
        <RouterProvider router={makeRouter(client)} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
