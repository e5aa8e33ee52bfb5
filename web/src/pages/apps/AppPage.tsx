// An app: how it is and why, where it is reached, its replicas, output, releases and scaling.
import './apps.css';
import { Alert, Button, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense } from 'react';
import type { AppDetail } from '../../api/client';
import { appExplainQuery, certificatesQuery } from '../../api/queries';
import { bytes, cores } from '../../lib/amounts';
import { commandText } from '../../lib/shell';
import { duration } from '../../lib/time';
import { CopyButton, CopyId } from '../../ui/Copy';
import { RangeSwitch } from '../../ui/charts/RangeSwitch';
import { type RangeKey, rangeOf } from '../../ui/charts/ranges';
import { Explained } from '../../ui/Explained';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Facts, Page, Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer, EmptyState, Loading } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { AppActions, CanaryDecision } from './AppActions';
import { BUILD_LABEL } from './form';
import { Releases } from './Releases';
import { AppOutput, Replicas } from './Replicas';
import { appRoute } from './route';
import { useApp } from './useApp';
import { covers, failingOf, healthText, healthyText, hostOf, remedyOf, scalingRules, stateOf } from './words';

const AppCharts = lazy(() => import('./AppCharts'));
const MIB = 1024 * 1024;
const SCALINGS_SHOWN = 10;

export function AppPage() {
  const { name } = appRoute.useParams();
  const app = useApp(name);
  if (app.isRemoved) {
    return (
      <Page title={name} above={<Link to="/apps">Apps</Link>}>
        <EmptyState title="It has been removed.">
          <Link to="/apps">All apps</Link>
        </EmptyState>
      </Page>
    );
  }
  return (
    <Page
      title={name}
      above={<Link to="/apps">Apps</Link>}
      beside={app.data && <StateBadge state={stateOf(app.data)} />}
      actions={app.data && <AppActions app={app.data} />}
      command={`draas apps show ${name}`}
    >
      <Answer of={app} rows={8}>
        {(data) => <Parts key={data.id} app={data} />}
      </Answer>
    </Page>
  );
}

function Parts({ app }: { app: AppDetail }) {
  return (
    <>
      <Troubles app={app} />
      <CanaryDecision app={app} />
      <div className="columns">
        <Summary app={app} />
        <Addresses app={app} />
      </div>
      <Replicas app={app} />
      <Metrics app={app} />
      <Releases app={app} />
      <AppOutput app={app} />
      <Scaling app={app} />
      <Explain app={app} />
      <Asked app={app} />
    </>
  );
}

function Metrics({ app }: { app: AppDetail }) {
  const range = rangeOf(appRoute.useSearch().range);
  const navigate = appRoute.useNavigate();
  const choose = (key: RangeKey) =>
    void navigate({ search: (before) => ({ ...before, range: key }), replace: true, resetScroll: false });
  return (
    <Section title="Metrics" beside={<RangeSwitch range={range} onChange={choose} />}>
      <Suspense fallback={<Loading rows={3} />}>
        <AppCharts app={app} range={range} />
      </Suspense>
    </Section>
  );
}

/** What is wrong, the cause first, then what to do about it. */
function Troubles({ app }: { app: AppDetail }) {
  const newest = app.releases[0];
  const hasFailed = newest?.state === 'failed';
  const isBad = app.state === 'failed' || app.state === 'degraded';
  const failing = newest === undefined ? null : failingOf(app, newest.number);
  const remedy = remedyOf(failing, app.spec);
  return (
    <>
      {hasFailed && (
        <Alert
          color="red"
          variant="light"
          icon={<Icon name="alert" />}
          title={`Release ${newest.number} failed${app.release === null ? '' : `; release ${app.release} serves on`}`}
        >
          <Text size="sm">{newest.reason}</Text>
          {remedy && <Text size="sm">{remedy}</Text>}
        </Alert>
      )}
      {isBad && !(hasFailed && app.reason.includes(newest.reason)) && (
        <Alert color="red" variant="light" icon={<Icon name="alert" />} title={`The app is ${app.state}`}>
          <Text size="sm">{app.reason}</Text>
          {!hasFailed && remedy && <Text size="sm">{remedy}</Text>}
        </Alert>
      )}
      {app.warnings.map((warning) => (
        <Alert
          key={warning}
          color="orange"
          variant="light"
          icon={<Icon name="alert" />}
          title="People may not reach it"
        >
          {warning}
        </Alert>
      ))}
    </>
  );
}

function Summary({ app }: { app: AppDetail }) {
  const { spec } = app;
  const build = spec.labels[BUILD_LABEL];
  const facts: [string, ReactNode][] = [
    ['Replicas', healthyText(app)],
    [
      'Release',
      app.release === null
        ? 'none is live'
        : `${app.release}${app.rolling === null ? '' : `, ${app.rolling} rolls out`}`,
    ],
    ['Image', <code key="image">{spec.image}</code>],
    ['Port', spec.port ?? 'none: it serves nothing'],
    ['Each has', `${cores(spec.resources.cpu_cores)}, ${bytes(spec.resources.memory_mb * MIB)}`],
    ['Healthy means', healthText(spec)],
  ];
  if (build !== undefined) {
    facts.push([
      'Built by',
      <Link key="build" to="/builds/$id" params={{ id: build }}>
        {build}
      </Link>,
    ]);
  }
  facts.push(['Created', <TimeAgo key="created" at={app.created_at} />], ['Id', <CopyId key="id" id={app.id} />]);
  const told = app.state === 'live' || app.state === 'failed' || app.state === 'degraded' ? '' : app.reason;
  return (
    <Section title="Summary">
      {told && (
        <Text size="sm" mb="sm">
          {told}
        </Text>
      )}
      <Facts of={facts} />
    </Section>
  );
}

function Addresses({ app }: { app: AppDetail }) {
  const isWhole = useMay('oversee');
  const certificates = useQuery({ ...certificatesQuery, enabled: isWhole }).data?.items;
  const hosts = [...new Set([...app.urls.map(hostOf), ...app.spec.domains.map(hostOf)])];
  const mine = certificates?.filter((one) => one.names.some((name) => hosts.some((host) => covers(name, host)))) ?? [];
  const elsewhere = app.spec.domains.filter((domain) => !app.urls.some((url) => url.includes(domain)));
  return (
    <Section title="Addresses">
      {app.urls.length === 0 && (
        <Text size="sm" c="dimmed">
          {app.spec.port === null
            ? 'None: it has no port, so it serves nothing. Deploy a new version with one.'
            : 'None yet: no replica is healthy.'}
        </Text>
      )}
      <div className="rows">
        {app.urls.map((url) => (
          <div key={url}>
            <span className="grow address">
              <a href={url} target="_blank" rel="noreferrer">
                {url}
              </a>
            </span>
            <CopyButton value={url} label="Copy address" />
          </div>
        ))}
        {elsewhere.map((domain) => (
          <div key={domain}>
            <span className="grow address">{domain}</span>
            <span className="dim">wanted</span>
          </div>
        ))}
        {mine.map((one) => (
          <div key={one.host}>
            <span className="grow address">
              Certificate <b>{one.names.join(', ')}</b> <span className="dim">{one.issuer || one.source}</span>
            </span>
            <span className="dim">
              ends <TimeAgo at={one.expires_at} />
            </span>
          </div>
        ))}
      </div>
      {app.spec.https.redirect && (
        <Text size="sm" mt="xs">
          Those who come by http:// are sent to https://.
        </Text>
      )}
      {app.spec.maintenance && (
        <Text size="sm" mt="xs">
          People see a maintenance page.
        </Text>
      )}
    </Section>
  );
}

function Scaling({ app }: { app: AppDetail }) {
  const [isAll, all] = useDisclosure(false);
  const shown = isAll ? app.scalings : app.scalings.slice(0, SCALINGS_SHOWN);
  return (
    <Section title="How many replicas">
      {scalingRules(app.spec).map((rule) => (
        <Text size="sm" key={rule}>
          {rule}
        </Text>
      ))}
      <div className="rows" style={{ marginTop: 6 }}>
        {shown.map((one) => (
          <div key={`${one.at} ${one.after}`}>
            <span className="figure">
              {one.before} → {one.after}
            </span>
            <span className="grow">{one.reason}</span>
            <span className="dim">
              <TimeAgo at={one.at} />
            </span>
          </div>
        ))}
      </div>
      {app.scalings.length > SCALINGS_SHOWN && (
        <Button size="compact-xs" variant="subtle" onClick={all.toggle} aria-expanded={isAll}>
          {isAll ? 'Fewer' : `All ${app.scalings.length} decisions`}
        </Button>
      )}
    </Section>
  );
}

function Explain({ app }: { app: AppDetail }) {
  const isCalm = app.state === 'live' || app.state === 'stopped';
  const [isWanted, { toggle }] = useDisclosure(false);
  const isOpen = !isCalm || isWanted;
  const told = useQuery({ ...appExplainQuery(app.name), enabled: isOpen, refetchInterval: isCalm ? false : 3000 });
  return (
    <Section
      title="Explain"
      beside={
        isCalm && (
          <Button size="compact-xs" variant="default" onClick={toggle} aria-expanded={isOpen}>
            {isOpen ? 'Hide' : 'Show'}
          </Button>
        )
      }
    >
      {isOpen && (
        <Answer of={told} rows={2}>
          {(explanation) => <Explained explanation={explanation} />}
        </Answer>
      )}
    </Section>
  );
}

function Asked({ app }: { app: AppDetail }) {
  const { spec } = app;
  const deploy = spec.deploy as {
    order: string;
    batch: number;
    healthy_after_s: number;
    deadline_s: number;
    rollback: string;
    drain_s: number;
    canary: { replicas: number; share_percent: number } | null;
  };
  const pairs = (of: Record<string, string>) => Object.entries(of).map(([name, value]) => `${name}=${value}`);
  const facts: [string, ReactNode][] = [
    ['Project', app.project],
    ['Roll-out', deploy.order === 'start-first' ? 'the new one starts first' : 'the old one stops first'],
    ['At a time', deploy.batch],
    ['Counts once healthy for', duration(deploy.healthy_after_s)],
    ['Given up after', duration(deploy.deadline_s)],
    ['Where it fails', deploy.rollback === 'auto' ? 'the old release is made whole' : 'it stays as it is'],
    ['Canary', deploy.canary === null ? 'none' : `${deploy.canary.replicas} first`],
    ['May finish for', duration(deploy.drain_s)],
  ];
  if (spec.command !== null) facts.push(['Command', <code key="command">{commandText(spec.command)}</code>]);
  if (spec.release_command !== null) {
    facts.push(['Release command', <code key="release">{commandText(spec.release_command)}</code>]);
  }
  if (spec.constraints.length > 0) facts.push(['Constraints', spec.constraints.join('; ')]);
  if (pairs(spec.env).length > 0) {
    facts.push([
      'Environment',
      pairs(spec.env).map((pair) => (
        <code key={pair} style={{ display: 'block' }}>
          {pair}
        </code>
      )),
    ]);
  }
  if (pairs(spec.labels).length > 0) {
    facts.push([
      'Labels',
      pairs(spec.labels).map((pair) => (
        <code key={pair} style={{ display: 'block' }}>
          {pair}
        </code>
      )),
    ]);
  }
  return (
    <Section title="What was asked for">
      <Facts of={facts} />
    </Section>
  );
}
