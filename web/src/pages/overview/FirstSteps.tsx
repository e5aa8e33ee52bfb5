// FirstSteps: what to do on a new controller. Each step is ticked when it is really done, and the list goes when all are.
import { Button, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, take } from '../../api/client';
import { appsQuery, keys, nodesQuery, statusQuery } from '../../api/queries';
import { freshKey } from '../../lib/key';
import { useAct } from '../../ui/act';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Section } from '../../ui/Page';
import { JoinLine } from '../machines/JoinLine';

const SAMPLE = {
  name: 'hello',
  command: "echo 'Hello from the cloud!'",
  resources: { cpu_cores: 0.1, memory_mb: 32, gpus: 0 },
};

export function FirstSteps() {
  const nodes = useQuery(nodesQuery).data?.items;
  const apps = useQuery(appsQuery).data?.items;
  const jobs = useQuery(statusQuery).data?.jobs;
  const mayDeploy = useMay('deploy');
  const mayAdminister = useMay('administer');
  if (nodes === undefined || apps === undefined || jobs === undefined || !mayDeploy) return null;
  const hasMachine = nodes.some((node) => node.state === 'ready');
  const hasRun = jobs.succeeded > 0;
  const hasApp = apps.some((app) => app.state === 'live');
  if (hasMachine && hasRun && hasApp) return null;
  return (
    <Section title="First steps">
      <ol className="steps">
        <Step number={1} label="Add a machine" isDone={hasMachine}>
          {mayAdminister ? <JoinLine /> : <Text size="sm">Ask an admin.</Text>}
        </Step>
        <Step number={2} label="Run a sample job" isDone={hasRun}>
          <RunSample isPossible={hasMachine} />
        </Step>
        <Step number={3} label="Deploy an app" isDone={hasApp}>
          <Button size="xs" renderRoot={(props) => <Link to="/deploy" {...props} />}>
            Deploy one
          </Button>
        </Step>
      </ol>
    </Section>
  );
}

interface StepProps {
  number: number;
  label: string;
  isDone: boolean;
  children: ReactNode;
}

function Step({ number, label, isDone, children }: StepProps) {
  return (
    <li>
      <span className="step-mark" data-done={isDone}>
        {isDone ? <Icon name="check" size={14} /> : number}
      </span>
      <div>
        <Group gap="xs" mb={isDone ? 0 : 4}>
          <Text fw={550} size="sm">
            {label}
          </Text>
          {isDone && <span className="dim">done</span>}
        </Group>
        {!isDone && children}
      </div>
    </li>
  );
}

function RunSample({ isPossible }: { isPossible: boolean }) {
  const navigate = useNavigate();
  const sample = useAct({
    do: () => take(api.POST('/api/jobs', { body: SAMPLE, params: { header: { 'Idempotency-Key': freshKey() } } })),
    stale: [keys.status],
    after: (job) => void navigate({ to: '/jobs/$id', params: { id: job.id } }),
  });
  return (
    <Button size="xs" disabled={!isPossible} loading={sample.isPending} onClick={() => sample.mutate(undefined)}>
      Run it
    </Button>
  );
}
