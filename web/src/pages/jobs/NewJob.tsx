// New job: what to run, where, with how much; everything else folded away.
import {
  Autocomplete,
  Button,
  Checkbox,
  Group,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, type KeyboardEvent, useEffect, useState } from 'react';
import { api, take } from '../../api/client';
import { asProblem } from '../../api/problem';
import { jobQuery, keys, nodesQuery } from '../../api/queries';
import { freshKey } from '../../lib/key';
import { useAct } from '../../ui/act';
import { Page, Section } from '../../ui/Page';
import { ErrorPanel } from '../../ui/states';
import { bodyOf, commandOf, EMPTY, type Form, type FormFaults, fieldOf, formOf } from './body';
import { newJobRoute } from './route';

const RUNTIMES = [
  { value: '', label: 'Automatic' },
  { value: 'docker', label: 'Container' },
  { value: 'process', label: 'Host process' },
];

const FOLDED = [
  ...(['env', 'labels', 'constraints', 'priority', 'retries', 'timeout', 'needs', 'node', 'project'] as const),
];

export function NewJob() {
  const { from } = newJobRoute.useSearch();
  const before = useQuery({ ...jobQuery(from ?? ''), enabled: from !== undefined });
  const [form, setForm] = useState<Form>(EMPTY);
  const [faults, setFaults] = useState<FormFaults>({});
  const [isMore, more] = useDisclosure(false);
  const navigate = useNavigate();
  useEffect(() => {
    if (before.data) setForm(formOf(before.data));
  }, [before.data]);
  const submit = useAct({
    do: (key: string) =>
      take(
        api.POST('/api/jobs', {
          body: bodyOf(form).body,
          params: {
            query: form.project.trim() ? { project: form.project.trim() } : {},
            header: { 'Idempotency-Key': key },
          },
        }),
      ),
    stale: [keys.status],
    after: (job) => void navigate({ to: '/jobs/$id', params: { id: job.id } }),
    quiet: true,
  });
  const problem = submit.error === null ? null : asProblem(submit.error);
  const told: FormFaults = { ...faults };
  for (const fault of problem?.faults ?? []) {
    const field = fieldOf(fault.path);
    if (field !== undefined) told[field] ??= fault.message;
  }
  const text = (field: Exclude<keyof Form, 'exclusive' | 'runtime' | 'isWords'>) => ({
    value: form[field],
    error: told[field],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setForm((now) => ({ ...now, [field]: value }));
      setFaults((now) => ({ ...now, [field]: undefined }));
    },
  });
  const isOpen = isMore || FOLDED.some((field) => told[field] !== undefined);
  const nodes = useQuery(nodesQuery).data?.items ?? [];
  const send = () => {
    const { faults: found } = bodyOf(form);
    setFaults(found);
    if (Object.keys(found).length === 0) submit.mutate(freshKey());
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  };
  return (
    <Page title="Submit a job" above={<Link to="/jobs">Jobs</Link>} command={commandOf(form)}>
      <Section title={from === undefined ? 'What to run' : 'What to run again, with changes'}>
        <form onSubmit={onSubmit} onKeyDown={onKeyDown} noValidate>
          <Stack gap="md">
            <Textarea
              label="Command or script"
              description={`${form.isWords ? 'A word a line, run as they are' : 'Run by sh -c'}. Ctrl+Enter submits.`}
              placeholder="echo 'Hello from the cloud!'"
              autosize
              minRows={4}
              maxRows={24}
              autoFocus
              spellCheck={false}
              styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
              {...text('command')}
            />
            <TextInput label="Name" placeholder="optional" {...text('name')} />
            <div>
              <SegmentedControl
                aria-label="Runs as"
                data={RUNTIMES}
                value={form.runtime}
                onChange={(runtime) => setForm((now) => ({ ...now, runtime: runtime as Form['runtime'] }))}
              />
              {told.runtime && <p className="faults">{told.runtime}</p>}
            </div>
            {form.runtime !== 'process' && (
              <TextInput label="Image" placeholder="the controller's default image" {...text('image')} />
            )}
            <SimpleGrid cols={{ base: 2, sm: 3 }}>
              <TextInput label="CPU cores" placeholder="1" inputMode="decimal" {...text('cores')} />
              <TextInput label="Memory (MiB)" placeholder="256" inputMode="numeric" {...text('memory')} />
              <TextInput label="GPUs" placeholder="0" inputMode="numeric" {...text('gpus')} />
            </SimpleGrid>
            <div>
              <Button size="compact-sm" variant="subtle" onClick={more.toggle} aria-expanded={isOpen}>
                {isOpen ? 'Less' : 'Environment, labels, retries, limits…'}
              </Button>
            </div>
            {isOpen && (
              <Stack gap="md">
                <Textarea
                  label="Environment"
                  description="NAME=VALUE, one a line"
                  autosize
                  minRows={2}
                  spellCheck={false}
                  {...text('env')}
                />
                <Textarea
                  label="Labels"
                  description="name=value, one a line"
                  autosize
                  minRows={1}
                  {...text('labels')}
                />
                <Textarea
                  label="Constraints"
                  description="one a line, for example node.arch == amd64"
                  autosize
                  minRows={1}
                  {...text('constraints')}
                />
                <SimpleGrid cols={{ base: 2, sm: 3 }}>
                  <TextInput
                    label="Priority"
                    placeholder="50"
                    description="0 to 100"
                    inputMode="numeric"
                    {...text('priority')}
                  />
                  <TextInput
                    label="Retries"
                    placeholder="0"
                    description="after a failure"
                    inputMode="numeric"
                    {...text('retries')}
                  />
                  <TextInput
                    label="Time limit (s)"
                    placeholder="none"
                    description="of each attempt"
                    inputMode="decimal"
                    {...text('timeout')}
                  />
                </SimpleGrid>
                <Textarea
                  label="Needs"
                  description="ids of jobs that must succeed before, one a line"
                  autosize
                  minRows={1}
                  spellCheck={false}
                  {...text('needs')}
                />
                <SimpleGrid cols={{ base: 1, sm: 2 }}>
                  <Autocomplete
                    label="Machine"
                    placeholder="any"
                    description="and no other"
                    data={nodes.map((node) => node.name)}
                    value={form.node}
                    error={told.node}
                    onChange={(node) => setForm((now) => ({ ...now, node }))}
                  />
                  <TextInput label="Project" placeholder="default" description="whose it is" {...text('project')} />
                </SimpleGrid>
                <Checkbox
                  label="The command is a list of words, one a line, and is run without a shell"
                  checked={form.isWords}
                  onChange={(event) => {
                    const { checked } = event.currentTarget;
                    setForm((now) => ({ ...now, isWords: checked }));
                  }}
                />
                <Checkbox
                  label="Exclusive: never two attempts at a time, even when a machine is cut off"
                  checked={form.exclusive}
                  onChange={(event) => {
                    const { checked } = event.currentTarget;
                    setForm((now) => ({ ...now, exclusive: checked }));
                  }}
                />
              </Stack>
            )}
            {problem !== null && <ErrorPanel error={problem} />}
            <Group>
              <Button type="submit" loading={submit.isPending}>
                Submit
              </Button>
            </Group>
          </Stack>
        </form>
      </Section>
    </Page>
  );
}
