// A machine: how it is, what it has, what runs there; and taking it out of service.
import { Alert, Button, Modal, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { api, type Machine, take } from '../../api/client';
import { keys, nodeQuery, onNodeQuery } from '../../api/queries';
import { bytes, cores, count } from '../../lib/amounts';
import { commandText } from '../../lib/shell';
import { useAct } from '../../ui/act';
import { CopyId } from '../../ui/Copy';
import { RangeSwitch } from '../../ui/charts/RangeSwitch';
import { rangeOf } from '../../ui/charts/ranges';
import { Icon } from '../../ui/icons';
import { Meter } from '../../ui/Meter';
import { useMay } from '../../ui/may';
import { Facts, Page, Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer, Loading } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { Labels } from './Labels';
import { RemoveButton } from './RemoveButton';
import { useReplicasOn } from './replicas';
import { machineRoute } from './route';
import { troublesOf } from './trouble';

const MachineCharts = lazy(() => import('./MachineCharts'));
const MIB = 1024 * 1024;
const IMAGES_SHOWN = 20;

export function MachinePage() {
  const { name } = machineRoute.useParams();
  const node = useQuery(nodeQuery(name));
  return (
    <Page
      title={name}
      above={<Link to="/machines">Machines</Link>}
      beside={node.data && <StateBadge state={node.data.state} />}
      actions={
        node.data && (
          <>
            <DrainButton machine={node.data} />
            <RemoveButton machine={node.data} />
          </>
        )
      }
      command={`draas nodes show ${name}`}
    >
      <Answer of={node} rows={8}>
        {(machine) => <Parts machine={machine} />}
      </Answer>
    </Page>
  );
}

function Parts({ machine }: { machine: Machine }) {
  return (
    <>
      {troublesOf(machine).map((trouble) => (
        <Alert key={trouble.what} color="orange" variant="light" icon={<Icon name="alert" />} title={trouble.what}>
          {trouble.remedy}
        </Alert>
      ))}
      <div className="columns">
        <Section title="Now">
          <Meter
            label="CPU"
            used={machine.load.cpu_percent}
            reserved={(100 * machine.used.cpu_cores) / machine.allocatable.cpu_cores}
            total={100}
            told={`${Math.round(machine.load.cpu_percent)} % used, ${machine.used.cpu_cores} of ${cores(machine.allocatable.cpu_cores)} reserved`}
          />
          <Meter
            label="Memory"
            used={machine.load.memory_used_bytes}
            reserved={machine.used.memory_mb * MIB}
            total={machine.allocatable.memory_mb * MIB}
            told={`${bytes(machine.load.memory_used_bytes)} used, ${bytes(machine.used.memory_mb * MIB)} of ${bytes(machine.allocatable.memory_mb * MIB)} reserved`}
          />
          <Meter
            label="Disk"
            used={machine.load.disk_used_bytes}
            reserved={null}
            total={machine.load.disk_total_bytes}
            told={`${bytes(machine.load.disk_used_bytes)} of ${bytes(machine.load.disk_total_bytes)} used`}
          />
        </Section>
        <Section title="What it is">
          <Facts
            of={[
              ['Last seen', <TimeAgo key="seen" at={machine.last_seen} none="never" />],
              ['Joined', <TimeAgo key="joined" at={machine.joined_at} />],
              ['System', `${machine.os}/${machine.arch}`],
              ['Address', machine.address || '–'],
              ['Roles', machine.roles.join(', ')],
              ['GPUs', machine.gpus.join(', ') || 'none'],
              ['Agent', machine.version || '–'],
              ['Id', <CopyId key="id" id={machine.id} />],
            ]}
          />
        </Section>
      </div>
      <Load machine={machine} />
      <Running machine={machine} />
      <div className="columns">
        <Section title="Runtimes">
          <div className="rows">
            {machine.runtimes.map((runtime) => (
              <div key={runtime.name}>
                <b>{runtime.name === 'process' ? 'Host jobs' : 'Containers'}</b>
                <span className="grow">
                  {runtime.available
                    ? [runtime.version, runtime.isolation].filter(Boolean).join(', ') || 'available'
                    : runtime.missing}
                </span>
              </div>
            ))}
          </div>
        </Section>
        <Labels machine={machine} />
      </div>
      <Section title={`Images (${machine.images.length})`}>
        <div className="rows">
          {machine.images.slice(0, IMAGES_SHOWN).map((image) => (
            <div key={image.id}>
              <span className="grow one-line">{image.tags.join(', ') || <code>{image.id}</code>}</span>
              <span className="figure dim">{bytes(image.size_bytes)}</span>
            </div>
          ))}
        </div>
        {machine.images.length > IMAGES_SHOWN && (
          <Text size="sm" c="dimmed">
            and {machine.images.length - IMAGES_SHOWN} more
          </Text>
        )}
      </Section>
    </>
  );
}

function Load({ machine }: { machine: Machine }) {
  const range = rangeOf(machineRoute.useSearch().range);
  const navigate = machineRoute.useNavigate();
  return (
    <Section
      title="Over time"
      beside={
        <RangeSwitch
          range={range}
          onChange={(key) => void navigate({ search: { range: key }, replace: true, resetScroll: false })}
        />
      }
    >
      <Suspense fallback={<Loading rows={3} />}>
        <MachineCharts machine={machine} range={range} />
      </Suspense>
    </Section>
  );
}

function Running({ machine }: { machine: Machine }) {
  const jobs = useQuery(onNodeQuery(machine.name));
  const replicas = useReplicasOn(machine);
  return (
    <Section
      title="Runs here"
      beside={
        <Link to="/jobs" search={{ node: machine.name }}>
          All jobs that were here
        </Link>
      }
    >
      <Answer of={jobs} rows={2}>
        {({ items, total }) =>
          items.length + replicas.length === 0 ? (
            <Text size="sm" c="dimmed">
              Nothing at the moment.
            </Text>
          ) : (
            <div className="rows">
              {replicas.map((replica) => (
                <div key={replica}>
                  <span className="dim">replica</span>
                  <span className="grow">{replica}</span>
                </div>
              ))}
              {items.map((job) => (
                <div key={job.id}>
                  <span className="dim">job</span>
                  <span className="grow one-line">
                    <Link to="/jobs/$id" params={{ id: job.id }}>
                      {job.name || job.id}
                    </Link>{' '}
                    <code className="dim">{commandText(job.command)}</code>
                  </span>
                  <span className="dim">
                    <TimeAgo at={job.started_at} />
                  </span>
                </div>
              ))}
              {total > items.length && <div className="dim">and {total - items.length} more</div>}
            </div>
          )
        }
      </Answer>
    </Section>
  );
}

function DrainButton({ machine }: { machine: Machine }) {
  const mayAdminister = useMay('administer');
  const [isAsking, asking] = useDisclosure(false);
  const isDraining = machine.state === 'draining';
  const change = useAct({
    do: (state: 'ready' | 'draining') =>
      take(api.PATCH('/api/nodes/{id}', { params: { path: { id: machine.id } }, body: { state } })),
    done: isDraining ? `${machine.name} takes new work again` : `${machine.name} is draining`,
    stale: [keys.nodes, keys.apps],
    after: asking.close,
  });
  if (!mayAdminister || machine.state === 'left') return null;
  if (isDraining) {
    return (
      <Button loading={change.isPending} onClick={() => change.mutate('ready')}>
        Take back
      </Button>
    );
  }
  return (
    <>
      <Button variant="default" onClick={asking.open}>
        Drain…
      </Button>
      <Modal opened={isAsking} onClose={asking.close} title={`Drain ${machine.name}`}>
        <Preview machine={machine} />
        <Button mt="md" loading={change.isPending} onClick={() => change.mutate('draining')}>
          Drain it
        </Button>
      </Modal>
    </>
  );
}

function Preview({ machine }: { machine: Machine }) {
  const running = useQuery(onNodeQuery(machine.name)).data?.total ?? 0;
  const replicas = useReplicasOn(machine);
  return (
    <Stack gap="xs">
      <Text size="sm">It gets no new work until it is taken back.</Text>
      <Text size="sm">
        {running === 0 ? 'No job runs there now.' : `${count(running, 'job')} there run on to their end.`}
      </Text>
      {replicas.length === 0 ? (
        <Text size="sm">No replica of an app has to move.</Text>
      ) : (
        <>
          <Text size="sm">{count(replicas.length, 'replica')} are started elsewhere first, then stopped here:</Text>
          <ul className="faults">
            {replicas.map((replica) => (
              <li key={replica}>{replica}</li>
            ))}
          </ul>
        </>
      )}
    </Stack>
  );
}
