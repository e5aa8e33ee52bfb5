// Palette: go anywhere and do the common things by typing a few letters.
import { Modal, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react';
import { appsQuery, nodesQuery, sessionQuery } from '../api/queries';
import { TABS } from '../pages/settings/tabs';
import { Icon, type IconName } from '../ui/icons';
import { may } from '../ui/may';
import { bestMatches } from './match';
import { NAV } from './nav';

interface Entry {
  label: string;
  hint: string;
  icon: IconName;
  go: () => void;
}

const ID = /^[jb]-[0-9a-z]{20}$/;
const SHOWN = 30;

export default function Palette({ close }: { close: () => void }) {
  return (
    <Modal
      opened
      onClose={close}
      withCloseButton={false}
      padding="sm"
      attributes={{ content: { 'aria-label': 'Go to' } }}
      yOffset="12vh"
      centered={false}
    >
      <Chooser close={close} />
    </Modal>
  );
}

function Chooser({ close }: { close: () => void }) {
  const [words, setWords] = useState('');
  const [at, setAt] = useState(0);
  const entries = useEntries();
  const typed = words.trim();
  const navigate = useNavigate();
  const found = useMemo(() => {
    const best = bestMatches(typed, entries, (entry) => entry.label).slice(0, SHOWN);
    if (!ID.test(typed)) return best;
    const [hint, icon, to] = typed.startsWith('b')
      ? (['Build', 'builds', '/builds/$id'] as const)
      : (['Job', 'jobs', '/jobs/$id'] as const);
    return [{ label: typed, hint, icon, go: () => void navigate({ to, params: { id: typed } }) }, ...best];
  }, [typed, entries, navigate]);
  const list = useId();
  const listAt = useRef<HTMLDivElement>(null);
  const chosen = Math.min(at, found.length - 1);

  useEffect(() => {
    listAt.current?.children[chosen]?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);

  const take = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    close();
    entry.go();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setAt((chosen + step + found.length) % found.length);
    }
    if (event.key === 'Enter') {
      event.preventDefault();
      take(found[chosen]);
    }
  };
  return (
    <>
      <TextInput
        data-autofocus
        placeholder="A page, a machine, an app, an id…"
        aria-label="Go to"
        leftSection={<Icon name="search" size={16} />}
        value={words}
        onChange={(event) => {
          setWords(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
        role="combobox"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={found.length > 0 ? `${list}-${chosen}` : undefined}
      />
      <div className="palette-list" id={list} role="listbox" aria-label="Where to" ref={listAt}>
        {found.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the text field's
          <div
            key={`${entry.hint} ${entry.label}`}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === chosen}
            tabIndex={-1}
            onMouseMove={() => setAt(index)}
            onClick={() => take(entry)}
          >
            <Icon name={entry.icon} size={16} />
            <span className="one-line" style={{ flex: 1 }}>
              {entry.label}
            </span>
            <span className="dim">{entry.hint}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="dim">Nothing is called that.</p>}
    </>
  );
}

function useEntries(): Entry[] {
  const navigate = useNavigate();
  const nodes = useQuery(nodesQuery).data?.items;
  const apps = useQuery(appsQuery).data?.items;
  const session = useQuery(sessionQuery).data;
  return useMemo(() => {
    const entries: Entry[] = NAV.map((item) => ({
      label: item.label,
      hint: 'Page',
      icon: item.icon,
      go: () => void navigate({ to: item.to }),
    }));
    if (may(session, 'deploy')) {
      entries.push({
        label: 'Submit a job',
        hint: 'Action',
        icon: 'plus',
        go: () => void navigate({ to: '/jobs/new' }),
      });
      entries.push({
        label: 'Deploy an app',
        hint: 'Action',
        icon: 'plus',
        go: () => void navigate({ to: '/deploy' }),
      });
    }
    for (const tab of TABS) {
      if (tab.to === '/settings' || !may(session, tab.needs)) continue;
      entries.push({ label: tab.label, hint: 'Settings', icon: 'settings', go: () => void navigate({ to: tab.to }) });
    }
    if (may(session, 'administer')) {
      const go = () => void navigate({ to: '/settings/keys', search: { new: true } });
      entries.push({ label: 'Make a key', hint: 'Action', icon: 'plus', go });
    }
    for (const state of ['running', 'queued', 'failed'] as const) {
      entries.push({
        label: `Jobs that are ${state}`,
        hint: 'Jobs',
        icon: 'jobs',
        go: () => void navigate({ to: '/jobs', search: { state } }),
      });
    }
    for (const app of apps ?? []) {
      entries.push({
        label: app.name,
        hint: 'App',
        icon: 'apps',
        go: () => void navigate({ to: '/apps/$name', params: { name: app.name } }),
      });
    }
    for (const node of nodes ?? []) {
      entries.push({
        label: node.name,
        hint: 'Machine',
        icon: 'machines',
        go: () => void navigate({ to: '/machines/$name', params: { name: node.name } }),
      });
    }
    return entries;
  }, [navigate, nodes, apps, session]);
}
