// Shell: head, menu, page.
import { ActionIcon, Button, Menu, UnstyledButton, useMantineColorScheme } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { api, type Session, take } from '../api/client';
import { keys } from '../api/queries';
import { useLive } from '../live/Live';
import { useAct } from '../ui/act';
import { Icon, type IconName } from '../ui/icons';
import { ClusterSentence } from './ClusterSentence';
import { NAV } from './nav';
import { Palette } from './Palette';

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
        <Link to="/" className="shell-brand">
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
      <Palette isOpen={isPaletteOpen} close={() => setPaletteOpen(false)} />
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

const SCHEMES: { value: 'light' | 'dark' | 'auto'; label: string; icon: IconName }[] = [
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
  { value: 'auto', label: "As the system's", icon: 'auto' },
];

function Account({ session }: { session: Session }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const client = useQueryClient();
  const signOut = useAct({
    do: () => take(api.DELETE('/api/session')),
    after: () => {
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] });
      void client.invalidateQueries({ queryKey: keys.session });
    },
  });
  return (
    <Menu position="bottom-end" width={220} withinPortal>
      <Menu.Target>
        <UnstyledButton aria-label="Account and theme" className="account">
          <Icon name="settings" />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.is_open ? 'Open: no key is needed here' : `Key ${session.key || '(no name)'}: ${session.role}`}
          {session.project !== null && `, project ${session.project}`}
          <br />
          Version {session.version}
        </Menu.Label>
        <Menu.Divider />
        <Menu.Label>Theme</Menu.Label>
        {SCHEMES.map((scheme) => (
          <Menu.Item
            key={scheme.value}
            leftSection={<Icon name={scheme.icon} size={16} />}
            rightSection={colorScheme === scheme.value ? <Icon name="check" size={16} /> : null}
            aria-current={colorScheme === scheme.value}
            onClick={() => setColorScheme(scheme.value)}
          >
            {scheme.label}
          </Menu.Item>
        ))}
        {!session.is_open && (
          <>
            <Menu.Divider />
            <Menu.Item leftSection={<Icon name="out" size={16} />} onClick={() => signOut.mutate(undefined)}>
              Sign out
            </Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
