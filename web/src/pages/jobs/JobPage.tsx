// A job: its state and why, its output, its attempts, what was asked for.
import { Alert, Button, Modal, Select, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { type Attempt, api, type Job, take } from '../../api/client';
import { explainQuery, jobQuery, keys } from '../../api/queries';
import { bytes, cores, count } from '../../lib/amounts';
import { commandText } from '../../lib/shell';
import { duration } from '../../lib/time';
import { Attempts } from '../../ui/Attempts';
import { useAct } from '../../ui/act';
import { CopyId } from '../../ui/Copy';
import { Explained } from '../../ui/Explained';
import { Icon } from '../../ui/icons';
import { LogView } from '../../ui/LogView';
import { useMay } from '../../ui/may';
import { NodeLink } from '../../ui/NodeLink';
import { Facts, Page, Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer } from '../../ui/states';
import { Duration, TimeAgo } from '../../ui/TimeAgo';
import { Needs } from './Needs';
import { jobRoute } from './route';

const ENDED = ['succeeded', 'failed', 'cancelled', 'skipped'];
const MIB = 1024 * 1024;

export function JobPage() {
  const { id } = jobRoute.useParams();
  const job = useQuery(jobQuery(id));
  return (
    <Page
      title={job.data?.name || id}
      above={<Link to="/jobs">Jobs</Link>}
      beside={job.data && <StateBadge state={job.data.state} />}
      actions={job.data && <Actions job={job.data} />}
      command={`draas jobs show ${id}`}
    >
      <Answer of={job} rows={8}>
        {(data) => <Parts job={data} />}
      </Answer>
    </Page>
  );
}

function Parts({ job }: { job: Job }) {
  const last = job.attempts.at(-1);
  const why = job.reason || last?.detail;
  const told = failure(job, last);
  return (
    <>
      {job.state === 'failed' && (
        <Alert color="red" variant="light" icon={<Icon name="alert" />} title={told}>
          {told.includes(why ?? '') ? null : why}
        </Alert>
      )}
      {(job.state === 'queued' || job.state === 'waiting') && <Waiting job={job} />}
      <Section title="Summary">
        <Facts
          of={[
            [
              'Command',
              // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
              <code key="command" className="command" tabIndex={0}>
                {commandText(job.command)}
              </code>,
            ],
            ['Node', job.node ? <NodeLink key="node" name={job.node} /> : '–'],
            ['Exit code', job.exit_code ?? '–'],
            ['Submitted', <TimeAgo key="submitted" at={job.created_at} />],
            ['Started', <TimeAgo key="started" at={job.started_at} />],
            ['Took', <Duration key="took" from={job.started_at} to={job.finished_at} />],
            [
              'Runs as',
              job.runtime === 'process' ? 'host process' : `container of ${job.image ?? 'the default image'}`,
            ],
            [
              'Resources',
              `${cores(job.resources.cpu_cores)}, ${bytes(job.resources.memory_mb * MIB)}${job.resources.gpus ? `, ${count(job.resources.gpus, 'GPU')}` : ''}`,
            ],
            ['Id', <CopyId key="id" id={job.id} />],
          ]}
        />
      </Section>
      <Needs job={job} />
      <Output job={job} />
      <Attempts attempts={job.attempts} />
      <Asked job={job} />
      {ENDED.includes(job.state) && last && <WhyThere job={job} />}
    </>
  );
}

function failure(job: Job, last: Attempt | undefined): string {
  if (last?.oom) return 'It used more memory than it asked for.';
  if (job.cause === 'timeout') return `It ran longer than ${duration(job.timeout_s ?? 0)}.`;
  if (job.exit_code !== null && job.exit_code !== 0) return `It ended with exit code ${job.exit_code}.`;
  return `It failed${job.cause ? `: ${job.cause.replaceAll('_', ' ')}` : ''}.`;
}

function Output({ job }: { job: Job }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const isEnded = ENDED.includes(job.state);
  const [wasEnded, setWasEnded] = useState(isEnded);
  const [stream, setStream] = useState(0); // a retry after the end is another stream
  if (isEnded !== wasEnded) {
    setWasEnded(isEnded);
    if (wasEnded) setStream(stream + 1);
  }
  const options = job.attempts.map((attempt) => ({
    value: String(attempt.number),
    label: `Attempt ${attempt.number}`,
  }));
  return (
    <Section
      title="Output"
      beside={
        options.length > 1 && (
          <Select
            size="xs"
            w={150}
            aria-label="Which attempt"
            data={options}
            value={chosen}
            placeholder="Latest attempt"
            clearable
            clearButtonProps={{ 'aria-label': 'Latest attempt' }}
            onChange={setChosen}
          />
        )
      }
    >
      <LogView key={stream} jobId={job.id} attempt={chosen === null ? undefined : Number(chosen)} />
    </Section>
  );
}

function Asked({ job }: { job: Job }) {
  const pairs = (of: Record<string, string>) =>
    Object.entries(of)
      .map(([name, value]) => `${name}=${value}`)
      .join(', ');
  const facts: [string, React.ReactNode][] = [
    ['Project', job.project],
    ['Priority', job.priority],
    ['Retries', job.retries],
    ['Time limit', job.timeout_s === null ? 'none' : duration(job.timeout_s)],
    ['Exclusive', job.exclusive ? 'yes' : 'no'],
  ];
  if (Object.keys(job.labels).length > 0) facts.push(['Labels', pairs(job.labels)]);
  if (Object.keys(job.env).length > 0) facts.push(['Environment', <code key="env">{pairs(job.env)}</code>]);
  if (job.constraints.length > 0) facts.push(['Constraints', job.constraints.join('; ')]);
  if (job.needs.length > 0) {
    facts.push([
      'Needs',
      job.needs.map((need) => (
        <Link key={need} to="/jobs/$id" params={{ id: need }} style={{ display: 'block' }}>
          {need}
        </Link>
      )),
    ]);
  }
  return (
    <Section title="What was asked for">
      <Facts of={facts} />
    </Section>
  );
}

function Waiting({ job }: { job: Job }) {
  const told = useQuery({ ...explainQuery(job.id), refetchInterval: 3000 });
  return (
    <Section title="Why it waits">
      <Answer of={told} rows={2}>
        {(explanation) => <Explained explanation={explanation} />}
      </Answer>
    </Section>
  );
}

function WhyThere({ job }: { job: Job }) {
  const [isOpen, { toggle }] = useDisclosure(false);
  const told = useQuery({ ...explainQuery(job.id), enabled: isOpen });
  return (
    <Section
      title="Explain"
      beside={
        <Button size="compact-xs" variant="default" onClick={toggle} aria-expanded={isOpen}>
          {isOpen ? 'Hide' : 'Show'}
        </Button>
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

function Actions({ job }: { job: Job }) {
  const mayDeploy = useMay('deploy');
  const navigate = useNavigate();
  const [isAsking, asking] = useDisclosure(false);
  const params = { path: { id: job.id } };
  const stale = [keys.job(job.id), keys.status];
  const cancel = useAct({ do: () => take(api.POST('/api/jobs/{id}/cancel', { params })), done: 'Cancelled', stale });
  const retry = useAct({ do: () => take(api.POST('/api/jobs/{id}/retry', { params })), done: 'It runs again', stale });
  const forget = useAct({
    do: () => take(api.DELETE('/api/jobs/{id}', { params })),
    done: 'Deleted',
    stale: [keys.status],
    after: () => void navigate({ to: '/jobs' }),
  });
  if (!mayDeploy) return null;
  const again = (
    <Button variant="default" renderRoot={(props) => <Link to="/jobs/new" search={{ from: job.id }} {...props} />}>
      Run with changes
    </Button>
  );
  if (!ENDED.includes(job.state)) {
    return (
      <>
        {again}
        <Button color="red" variant="light" loading={cancel.isPending} onClick={() => cancel.mutate(undefined)}>
          Cancel
        </Button>
      </>
    );
  }
  return (
    <>
      <Button variant="default" onClick={asking.open}>
        Delete…
      </Button>
      {again}
      <Button loading={retry.isPending} onClick={() => retry.mutate(undefined)}>
        Run again
      </Button>
      <Modal opened={isAsking} onClose={asking.close} title="Delete this job?">
        <Text size="sm">Its output goes with it, for good.</Text>
        <Button mt="md" color="red" loading={forget.isPending} onClick={() => forget.mutate(undefined)}>
          Delete it
        </Button>
      </Modal>
    </>
  );
}
