// A build: its state and why, its output, the image it made and of what, its attempts.
import '../apps/apps.css';
import { Alert, Button, Modal, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, type Build, take } from '../../api/client';
import { appQuery, appsQuery, buildExplainQuery, buildQuery, keys } from '../../api/queries';
import { bytes, cores } from '../../lib/amounts';
import { duration } from '../../lib/time';
import { Attempts } from '../../ui/Attempts';
import { useAct } from '../../ui/act';
import { CopyButton, CopyId } from '../../ui/Copy';
import { Explained } from '../../ui/Explained';
import { Icon } from '../../ui/icons';
import { LogView } from '../../ui/LogView';
import { useMay } from '../../ui/may';
import { NodeLink } from '../../ui/NodeLink';
import { Facts, Page, Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer } from '../../ui/states';
import { Duration, TimeAgo } from '../../ui/TimeAgo';
import { BUILD_LABEL } from '../apps/form';
import { buildRoute } from './route';
import { buildFailure, ENDED } from './words';

const MIB = 1024 * 1024;

export function BuildPage() {
  const { id } = buildRoute.useParams();
  const build = useQuery(buildQuery(id));
  return (
    <Page
      title={build.data ? `Build of ${build.data.name}` : id}
      above={<Link to="/builds">Builds</Link>}
      beside={build.data && <StateBadge state={build.data.state} />}
      actions={build.data && <Actions build={build.data} />}
      command={`draas builds show ${id}`}
    >
      <Answer of={build} rows={8}>
        {(data) => <Parts build={data} />}
      </Answer>
    </Page>
  );
}

function Parts({ build }: { build: Build }) {
  const isOpen = !ENDED.includes(build.state);
  return (
    <>
      {build.state === 'failed' && (
        <Alert color="red" variant="light" icon={<Icon name="alert" />} title="It failed">
          {buildFailure(build)}
        </Alert>
      )}
      {build.state === 'queued' && <Waiting build={build} />}
      <Section title="Summary">
        <Facts of={summaryOf(build)} />
      </Section>
      <Section title="Output">
        {/* Another attempt after the end is another stream. */}
        <LogView key={isOpen ? 'open' : `ended ${build.attempts.length}`} buildId={build.id} />
      </Section>
      {build.image !== null && <Image build={build} />}
      {build.dockerfile && (
        <Section
          title="The Dockerfile that was made"
          beside={<CopyButton value={build.dockerfile} label="Copy the Dockerfile" />}
        >
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
          <pre className="code-block" tabIndex={0} role="region" aria-label="Dockerfile">
            {build.dockerfile}
          </pre>
        </Section>
      )}
      <Attempts attempts={build.attempts} />
      <Asked build={build} />
    </>
  );
}

function summaryOf(build: Build): [string, ReactNode][] {
  const facts: [string, ReactNode][] = [
    ['App', <AppLink key="app" build={build} />],
    ['Recognised as', build.kind || (ENDED.includes(build.state) ? '–' : 'the builder says it at the end')],
    ['Node', build.node ? <NodeLink key="node" name={build.node} /> : '–'],
    ['Asked for', <TimeAgo key="asked" at={build.created_at} />],
    ['Started', <TimeAgo key="started" at={build.started_at} />],
    ['Took', <Duration key="took" from={build.started_at} to={build.finished_at} />],
  ];
  if (build.git !== null) facts.push(['Git', <code key="git">{build.git}</code>]);
  if (build.source !== null) facts.push(['Source', <CopyId key="source" id={build.source.digest} />]);
  facts.push(['Id', <CopyId key="id" id={build.id} />]);
  return facts;
}

function AppLink({ build }: { build: Build }) {
  const apps = useQuery(appsQuery).data?.items;
  if (!apps?.some((one) => one.name === build.name)) return <>{build.name}, not deployed</>;
  return (
    <Link to="/apps/$name" params={{ name: build.name }}>
      {build.name}
    </Link>
  );
}

function Image({ build }: { build: Build }) {
  const facts: [string, ReactNode][] = [
    ['Image', <CopyId key="image" id={build.image!} />],
    ['Platform', build.platform],
    ['Size', bytes(build.size_bytes)],
    ['Port', build.port ?? 'none was found'],
  ];
  if (build.tags.length > 0) facts.push(['Tags', build.tags.join(', ')]);
  if (build.pushed.length > 0) facts.push(['Also pushed to', build.pushed.join(', ')]);
  return (
    <Section title="The image">
      <Facts of={facts} />
    </Section>
  );
}

function Waiting({ build }: { build: Build }) {
  const told = useQuery({ ...buildExplainQuery(build.id), refetchInterval: 3000 });
  return (
    <Section title="Why it waits">
      <Answer of={told} rows={2}>
        {(explanation) => <Explained explanation={explanation} noun="build" />}
      </Answer>
    </Section>
  );
}

function Asked({ build }: { build: Build }) {
  const facts: [string, ReactNode][] = [
    ['Project', build.project],
    ['Resources', `${cores(build.resources.cpu_cores)}, ${bytes(build.resources.memory_mb * MIB)}`],
    ['Disk', bytes(build.disk_mb * MIB)],
    ['Time limit', build.timeout_s === null ? 'none' : duration(build.timeout_s)],
    ['Retries', build.retries],
    ['Cache', build.cache ? 'used' : 'not used'],
  ];
  if (build.folder) facts.push(['Folder', <code key="folder">{build.folder}</code>]);
  if (build.dockerfile_path) facts.push(['Dockerfile', <code key="path">{build.dockerfile_path}</code>]);
  if (build.target) facts.push(['Stage', build.target]);
  if (build.secrets.length > 0) facts.push(['Secrets (names)', build.secrets.join(', ')]);
  if (build.constraints.length > 0) facts.push(['Constraints', build.constraints.join('; ')]);
  const args = Object.entries(build.args);
  if (args.length > 0) {
    facts.push([
      'Arguments',
      args.map(([name, value]) => (
        <code key={name} style={{ display: 'block' }}>
          {name}={value}
        </code>
      )),
    ]);
  }
  const labels = Object.entries(build.labels);
  if (labels.length > 0) facts.push(['Labels', labels.map(([name, value]) => `${name}=${value}`).join(', ')]);
  return (
    <Section title="What was asked for">
      <Facts of={facts} />
    </Section>
  );
}

function Actions({ build }: { build: Build }) {
  const mayDeploy = useMay('deploy');
  const navigate = useNavigate();
  const [isAsking, asking] = useDisclosure(false);
  const params = { path: { id: build.id } };
  const stale = [keys.builds];
  const cancel = useAct({ do: () => take(api.POST('/api/builds/{id}/cancel', { params })), done: 'Cancelled', stale });
  const retry = useAct({
    do: () => take(api.POST('/api/builds/{id}/retry', { params })),
    done: 'It is built again',
    stale,
  });
  const forget = useAct({
    do: () => take(api.DELETE('/api/builds/{id}', { params })),
    done: 'Deleted',
    after: () => void navigate({ to: '/builds' }),
  });
  const isDeployed = useIsDeployed(build);
  if (!mayDeploy) return null;
  if (!ENDED.includes(build.state)) {
    return (
      <Button color="red" variant="light" loading={cancel.isPending} onClick={() => cancel.mutate(undefined)}>
        Cancel
      </Button>
    );
  }
  return (
    <>
      <Button variant="default" onClick={asking.open}>
        Delete…
      </Button>
      <Button variant="default" loading={retry.isPending} onClick={() => retry.mutate(undefined)}>
        Build again
      </Button>
      {build.image !== null && isDeployed === false && (
        <Button renderRoot={(props) => <Link to="/deploy" search={{ build: build.id }} {...props} />}>
          Deploy the image
        </Button>
      )}
      <Modal opened={isAsking} onClose={asking.close} title="Delete this build?">
        <Text size="sm">Its output goes with it, for good. The image stays.</Text>
        <Button data-autofocus mt="md" color="red" loading={forget.isPending} onClick={() => forget.mutate(undefined)}>
          Delete it
        </Button>
      </Modal>
    </>
  );
}

/** Whether the app's newest release is of this build; null until that is known. */
function useIsDeployed(build: Build): boolean | null {
  const apps = useQuery(appsQuery).data?.items;
  const isThere = apps?.some((one) => one.name === build.name) ?? false;
  const app = useQuery({ ...appQuery(build.name), enabled: isThere });
  if (apps === undefined) return null;
  if (!isThere) return false;
  return app.data === undefined ? null : app.data.spec.labels[BUILD_LABEL] === build.id;
}
