// Shell: head, menu, page.
import { ActionIcon, Button } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import type { Session } from '../api/client';
import { useLive } from '../live/Live';
import { Icon } from '../ui/icons';
import { ClusterSentence } from './ClusterSentence';
import { NAV } from './nav';

export function Shell({ session }: { session: Session }) {
  const [isMenuOpen, setMenuOpen] = useState(false);
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const { pathname } = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes whenever another page comes
  useEffect(() => setMenuOpen(false), [pathname]);
  useHotkeys([
    ['mod+K', () => setPaletteOpen(true)],
    ['/', () => setPaletteOpen(true)],
    ['Escape', () => setMenuOpen(false)],
  ]);
  return (
    <>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="shell-head">
        <ActionIcon
          className="only-phone"
          variant="subtle"
          color="gray"
          size="lg"
          aria-label="Menu"
          aria-expanded={isMenuOpen}
          onClick={() => setMenuOpen((open) => !open)}
        >
          <Icon name={isMenuOpen ? 'close' : 'menu'} />
        </ActionIcon>
        <Link to="/" className="shell-brand" aria-label="DRaaS, overview">
          <Icon name="images" size={22} />
          <span className="not-phone">DRaaS</span>
        </Link>
        <div className="shell-sentence one-line">
          <ClusterSentence />
        </div>
        <ConnectionState />
        <Button
          className="not-phone"
          variant="default"
          size="xs"
          leftSection={<Icon name="search" size={14} />}
          rightSection={<kbd>Ctrl K</kbd>}
          onClick={() => setPaletteOpen(true)}
        >
          Go to
        </Button>
        <ActionIcon
          className="only-phone"
          variant="subtle"
          color="gray"
          size="lg"
          aria-label="Go to"
          onClick={() => setPaletteOpen(true)}
        >
          <Icon name="search" />
        </ActionIcon>
        <Account session={session} />
      </header>
      <nav className="shell-left" aria-label="Pages" data-open={isMenuOpen}>
        {NAV.map((item) => (
          <Link key={item.to} to={item.to} className="nav-link" activeOptions={{ exact: item.to === '/' }}>
            <Icon name={item.icon} />
            {item.label}
          </Link>
        ))}
      </nav>
      <LostBanner />
      <main className="shell-main" id="main" tabIndex={-1}>
        <Outlet />
      </main>
      {isPaletteOpen && (
        <Suspense>
          <Palette close={() => setPaletteOpen(false)} />
        </Suspense>
      )}
    </>
  );
}

const TOLD = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  paused: 'Paused',
  ended: 'Signed out',
} as const;

function ConnectionState() {
  const { connection } = useLive();
  return (
    <span className="connection" data-connection={connection} role="status">
      <span className="connection-dot" aria-hidden="true" />
      {TOLD[connection]}
    </span>
  );
}

function LostBanner() {
  const { connection } = useLive();
  if (connection !== 'reconnecting') return null;
  return (
    <div className="banner" style={{ marginLeft: 'var(--banner-left, 0)' }}>
      The controller cannot be reached. What you see is what was last known; it catches up by itself.
    </div>
  );
}

const Palette = lazy(() => import('./Palette'));
const AccountMenu = lazy(() => import('./AccountMenu'));

/** A button that becomes the menu once it is used. */
function Account({ session }: { session: Session }) {
  const [isWanted, setWanted] = useState(false);
  const button = (
    <button
      type="button"
      aria-label="Account and theme"
      aria-haspopup="menu"
      className="account"
      onClick={() => setWanted(true)}
    >
      <Icon name="settings" />
    </button>
  );
  return isWanted ? (
    <Suspense fallback={button}>
      <AccountMenu session={session} />
    </Suspense>
  ) : (
    button
  );
}
