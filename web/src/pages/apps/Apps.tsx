// Apps: what is kept running, by name.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { App } from '../../api/client';
import { appsQuery } from '../../api/queries';
import { count } from '../../lib/amounts';
import { type Column, DataTable } from '../../ui/DataTable';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Page } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer, EmptyState } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { stateOf } from './words';

const MOVING_MS = 800; // while one is deployed: how many replicas are healthy is in no event

const COLUMNS: Column<App>[] = [
  {
    name: 'App',
    width: 'minmax(7rem, 1fr)',
    cell: (app) => (
      <Link to="/apps/$name" params={{ name: app.name }}>
        {app.name}
      </Link>
    ),
  },
  { name: 'State', width: '104px', cell: (app) => <StateBadge state={stateOf(app)} /> },
  { name: 'Healthy', width: '66px', right: true, cell: (app) => `${app.healthy}/${app.wanted}` },
  {
    name: 'Release',
    width: '86px',
    right: true,
    wide: true,
    cell: (app) => (
      <>
        {app.release ?? '–'}
        {app.rolling !== null && ` → ${app.rolling}`}
      </>
    ),
  },
  {
    name: 'Image',
    width: 'minmax(8rem, 1.2fr)',
    wide: true,
    cell: (app) => <span title={app.image}>{app.image}</span>,
  },
  {
    name: 'Address',
    width: 'minmax(8rem, 1.2fr)',
    wide: true,
    cell: (app) =>
      app.urls[0] === undefined ? (
        '–'
      ) : (
        <a href={app.urls[0]} target="_blank" rel="noreferrer">
          {app.urls[0].replace(/^https?:\/\/|\/$/g, '')}
        </a>
      ),
  },
  { name: 'Since', width: '78px', right: true, wide: true, cell: (app) => <TimeAgo at={app.created_at} /> },
];

export function Apps() {
  const apps = useQuery({
    ...appsQuery,
    refetchInterval: ({ state }) =>
      state.data?.items.some((app) => app.state === 'deploying' || app.rolling !== null) ? MOVING_MS : false,
  });
  const mayDeploy = useMay('deploy');
  return (
    <Page
      title="Apps"
      beside={apps.data && <span className="dim figure">{count(apps.data.total, 'app')}</span>}
      command="draas apps"
      actions={
        mayDeploy && (
          <Button leftSection={<Icon name="plus" size={16} />} renderRoot={(props) => <Link to="/deploy" {...props} />}>
            Deploy an app
          </Button>
        )
      }
    >
      <Answer of={apps} rows={6}>
        {({ items, total }) => (
          <DataTable
            label="Apps"
            columns={COLUMNS}
            rows={items}
            idOf={(app) => app.id}
            total={total}
            empty={
              <EmptyState title="No app yet.">
                {mayDeploy ? (
                  <Link to="/deploy">Deploy the first one, from an image or a folder</Link>
                ) : (
                  'There is nothing to see so far.'
                )}
              </EmptyState>
            }
          />
        )}
      </Answer>
    </Page>
  );
}
