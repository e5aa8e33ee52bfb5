// Deployment: of a source that was sent: the build, then the roll-out, as one list of steps.
import './apps.css';
import { Alert, Button, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { api, type Build, take } from '../../api/client';
import { appsQuery, buildExplainQuery, buildQuery, keys, releasesQuery } from '../../api/queries';
import { useAct } from '../../ui/act';
import { Explained } from '../../ui/Explained';
import { Icon } from '../../ui/icons';
import { LogView } from '../../ui/LogView';
import { useMay } from '../../ui/may';
import { Page, Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer, ErrorPanel } from '../../ui/states';
import { buildFailure } from '../builds/words';
import { afterBuild, BUILD_LABEL } from './form';
import { forgetPending, pendingOf } from './pending';
import { UnderStep } from './Releases';
import { deployBuildRoute } from './route';
import { StepList } from './StepList';
import { buildSteps, releaseSteps, type Step } from './steps';
import { useApp } from './useApp';

export function Deployment() {
  const { build: id } = deployBuildRoute.useParams();
  const build = useQuery(buildQuery(id));
  return (
    <Page
      title={build.data ? `Deployment of ${build.data.name}` : 'Deployment'}
      above={<Link to="/apps">Apps</Link>}
      beside={build.data && build.data.state !== 'succeeded' && <StateBadge state={build.data.state} />}
      command={`draas builds logs ${id}${build.data ? ` && draas apps show ${build.data.name}` : ''}`}
    >
      <Answer of={build} rows={5}>
        {(data) => <Steps key={data.id} build={data} />}
      </Answer>
    </Page>
  );
}

function Steps({ build }: { build: Build }) {
  const apps = useQuery(appsQuery);
  const hasApp = apps.data?.items.some((one) => one.name === build.name) ?? false;
  const app = useApp(hasApp ? build.name : null).data ?? null;
  const releases = useQuery({ ...releasesQuery(build.name), enabled: hasApp });
  const found = releases.data?.items.findLast((one) => one.spec.labels[BUILD_LABEL] === build.id);
  const release =
    found === undefined ? null : { ...found, ...app?.releases.find((one) => one.number === found.number) };
  const mayDeploy = useMay('deploy');
  const put = usePut(build, release !== null);
  const steps = [...buildSteps(build), ...releaseSteps(release, app)];
  const isLive = release?.state === 'live' && app !== null;
  return (
    <>
      {isLive && (
        <Alert color="teal" variant="light" icon={<Icon name="check" />} title={`${app.name} is live`}>
          <Group gap="sm">
            {app.urls[0] !== undefined && (
              <a href={app.urls[0]} target="_blank" rel="noreferrer">
                {app.urls[0]}
              </a>
            )}
            <Link to="/apps/$name" params={{ name: app.name }}>
              Its page
            </Link>
          </Group>
        </Alert>
      )}
      <Section title="Deployment" beside={<BuildActions build={build} />}>
        <StepList
          steps={steps}
          label="Deployment"
          under={(step) => (
            <Under step={step} build={build}>
              {release !== null && app !== null && (
                <UnderStep step={step} app={app} release={release} buildId={undefined} />
              )}
            </Under>
          )}
        />
      </Section>
      {put.error !== null && (
        <>
          <ErrorPanel error={put.error} onRetry={() => put.mutate(undefined)} />
          <Text size="sm">
            The image is built.{' '}
            <Link to="/deploy" search={{ build: build.id }}>
              Deploy it with other settings
            </Link>
          </Text>
        </>
      )}
      {build.state === 'succeeded' &&
        release === null &&
        releases.fetchStatus === 'idle' &&
        apps.data &&
        mayDeploy &&
        put.isIdle &&
        !put.isWanted && (
          <Alert color="indigo" variant="light" title="The image is built; the app was not deployed from this tab.">
            <Button size="xs" renderRoot={(props) => <Link to="/deploy" search={{ build: build.id }} {...props} />}>
              Deploy the image
            </Button>
          </Alert>
        )}
    </>
  );
}

/** Puts the app once its image is there. The same again changes nothing, so that a reload does no harm. */
function usePut(build: Build, isDeployed: boolean) {
  const mayDeploy = useMay('deploy');
  const put = useAct({
    do: () => {
      const { name, body, project } = pendingOf(build.id)!;
      const query = project === null ? {} : { project };
      return take(api.PUT('/api/apps/{name}', { params: { path: { name }, query }, body: afterBuild(body, build) }));
    },
    stale: [keys.apps],
    after: () => forgetPending(build.id),
    quiet: true,
  });
  const isWanted = pendingOf(build.id) !== null;
  const hasPut = useRef(false);
  const { mutate } = put;
  useEffect(() => {
    if (build.state !== 'succeeded' || !isWanted || isDeployed || !mayDeploy || hasPut.current) return;
    hasPut.current = true;
    mutate(undefined);
  }, [build.state, isWanted, isDeployed, mayDeploy, mutate]);
  return { ...put, isWanted };
}

function Under({ step, build, children }: { step: Step; build: Build; children: React.ReactNode }) {
  const isWaiting = step.name === 'queued' && step.state === 'now';
  const told = useQuery({ ...buildExplainQuery(build.id), enabled: isWaiting, refetchInterval: 2000 });
  if (isWaiting) return told.data ? <Explained explanation={told.data} noun="build" /> : null;
  if (step.name !== 'building') return children;
  if (step.state === 'now') return <LogView buildId={build.id} />;
  if (step.state === 'failed') {
    return (
      <div>
        <Text size="sm" fw={550} mb={6}>
          {buildFailure(build)}
        </Text>
        <LogView buildId={build.id} />
      </div>
    );
  }
  return (
    <Link to="/builds/$id" params={{ id: build.id }}>
      Build {build.id}
    </Link>
  );
}

function BuildActions({ build }: { build: Build }) {
  const mayDeploy = useMay('deploy');
  const params = { path: { id: build.id } };
  const stale = [keys.build(build.id)];
  const cancel = useAct({ do: () => take(api.POST('/api/builds/{id}/cancel', { params })), stale });
  const retry = useAct({ do: () => take(api.POST('/api/builds/{id}/retry', { params })), stale });
  if (!mayDeploy || build.state === 'succeeded') return null;
  const isOver = build.state === 'failed' || build.state === 'cancelled';
  return isOver ? (
    <Group gap="xs">
      <Button size="compact-xs" variant="default" renderRoot={(props) => <Link to="/deploy" {...props} />}>
        Send another source
      </Button>
      <Button size="compact-xs" loading={retry.isPending} onClick={() => retry.mutate(undefined)}>
        Build again
      </Button>
    </Group>
  ) : (
    <Button
      size="compact-xs"
      color="red"
      variant="light"
      loading={cancel.isPending}
      onClick={() => cancel.mutate(undefined)}
    >
      Cancel
    </Button>
  );
}
