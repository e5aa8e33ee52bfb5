// Deploy: an app from an image, from files of this computer, or from git; everything that has a good default folded away.
import './apps.css';
import { Button, Group, SegmentedControl, Select, SimpleGrid, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { type AppDetail, api, type Build, type Schemas, take } from '../../api/client';
import { asProblem } from '../../api/problem';
import { appQuery, appsQuery, buildQuery, keys } from '../../api/queries';
import { bytes } from '../../lib/amounts';
import { freshKey } from '../../lib/key';
import { useAct } from '../../ui/act';
import { useMay } from '../../ui/may';
import { Page, Section } from '../../ui/Page';
import { Answer, EmptyState, ErrorPanel } from '../../ui/states';
import {
  ADVANCED,
  afterBuild,
  appOf,
  buildOf,
  commandOf,
  EMPTY,
  type Form,
  type FormFaults,
  type From,
  fieldOf,
  formOf,
} from './form';
import { isArchive, nameFault, nameOfFile, nameOfGit, nameOfImage } from './names';
import { keepPending } from './pending';
import { deployRoute } from './route';
import { SourcePicker } from './SourcePicker';
import { StepList } from './StepList';
import type { Source } from './source';
import { uploadBuild } from './upload';

const SOURCES = [
  { value: 'image', label: 'An image' },
  { value: 'files', label: 'A folder or archive' },
  { value: 'git', label: 'A git repository' },
];

export function Deploy() {
  const search = deployRoute.useSearch();
  const mayDeploy = useMay('deploy');
  const build = useQuery({ ...buildQuery(search.build ?? ''), enabled: search.build !== undefined });
  const apps = useQuery(appsQuery);
  const wanted = search.app ?? build.data?.name;
  const isThere = wanted !== undefined && (apps.data?.items.some((one) => one.name === wanted) ?? false);
  const app = useQuery({ ...appQuery(wanted ?? ''), enabled: isThere });
  const isMissing = search.app !== undefined && apps.data !== undefined && !isThere;
  const waits = [apps, ...(search.build === undefined ? [] : [build]), ...(isThere ? [app] : [])];
  const waited = waits.find((one) => one.data === undefined);
  const title = isThere ? `A new version of ${wanted}` : 'Deploy an app';
  if (!mayDeploy || isMissing || waited !== undefined) {
    return (
      <Page title={title} above={<Link to="/apps">Apps</Link>}>
        {isMissing ? (
          <EmptyState title={`There is no app ${search.app}.`}>
            <Link to="/deploy">Deploy one</Link>
          </EmptyState>
        ) : mayDeploy && waited !== undefined ? (
          <Answer of={waited as { data: undefined; error: unknown; refetch: () => unknown }}>{() => null}</Answer>
        ) : (
          <EmptyState title="Your key may look, not deploy.">
            <Link to="/apps">All apps</Link>
          </EmptyState>
        )}
      </Page>
    );
  }
  return <DeployForm key={`${wanted} ${search.build}`} title={title} app={app.data} build={build.data} />;
}

interface DeployFormProps {
  title: string;
  app: AppDetail | undefined;
  build: Build | undefined;
}

interface Sending {
  sent: number;
  total: number;
  packing: boolean;
}

const firstForm = (app: AppDetail | undefined, build: Build | undefined): Form => {
  const form = app === undefined ? EMPTY : formOf(app.name, app.spec);
  if (build === undefined) return form;
  const port = form.port || (build.port === null ? '' : String(build.port));
  return { ...form, from: 'image', name: build.name, image: build.image ?? '', port };
};

function DeployForm({ title, app, build }: DeployFormProps) {
  const [form, setForm] = useState<Form>(() => firstForm(app, build));
  const [source, setSource] = useState<Source | null>(null);
  const [faults, setFaults] = useState<FormFaults>({});
  const [isMore, more] = useDisclosure(false);
  const [sending, setSending] = useState<Sending | null>(null);
  const hasNamed = useRef(app !== undefined || build !== undefined);
  const stopping = useRef<AbortController | null>(null);
  const navigate = useNavigate();
  const apps = useQuery(appsQuery).data?.items ?? [];
  const { name } = form;
  const isTaken = app === undefined && apps.some((one) => one.name === name);

  useEffect(() => () => stopping.current?.abort(), []);

  const deploy = useAct({
    do: () => run(),
    stale: [keys.apps, keys.builds],
    after: (done) =>
      void (done.build === null
        ? navigate({ to: '/apps/$name', params: { name } })
        : navigate({ to: '/deploy/$build', params: { build: done.build } })),
    quiet: true,
  });
  const isStopped = deploy.error instanceof DOMException;
  const problem = deploy.error === null || isStopped ? null : asProblem(deploy.error);
  const told: FormFaults = { ...faults };
  for (const fault of problem?.faults ?? []) {
    const field = fieldOf(fault.path);
    if (field !== undefined) told[field] ??= fault.message;
  }
  const foldedFault = ADVANCED.some((field) => told[field] !== undefined);

  const run = async (): Promise<{ build: string | null }> => {
    const made = appOf(form, app?.spec);
    const project = app?.project ?? null;
    const query = project === null ? {} : { project };
    if (form.from === 'image') {
      const isOfBuild = build !== undefined && form.image === build.image;
      const body = isOfBuild ? afterBuild(made.body, build) : made.body;
      await take(api.PUT('/api/apps/{name}', { params: { path: { name }, query }, body }));
      return { build: null };
    }
    // What cannot be is told before anything is sent; 8000 stands for the port that the build will find.
    const checked = { ...made.body, port: made.body.port ?? 8000 };
    await take(api.POST('/api/apps/{name}/plan', { params: { path: { name }, query }, body: checked }));
    const begun = await begin(buildOf(form).body, project);
    keepPending(begun.id, { name, body: made.body, project });
    return { build: begun.id };
  };

  const begin = async (spec: Schemas['BuildBody'], project: string | null): Promise<Build> => {
    const key = freshKey();
    if (form.from === 'git') {
      const query = project === null ? {} : { project };
      return take(api.POST('/api/builds', { body: spec, params: { query, header: { 'Idempotency-Key': key } } }));
    }
    stopping.current = new AbortController();
    try {
      setSending({ sent: 0, total: source!.size, packing: source!.kind === 'folder' });
      const blob = await source!.pack();
      return await uploadBuild({
        spec,
        source: blob,
        file: source!.kind === 'folder' ? `${name}.tar.gz` : source!.name,
        project,
        key,
        signal: stopping.current.signal,
        onProgress: (sent, total) => setSending({ sent, total, packing: false }),
      });
    } finally {
      setSending(null);
    }
  };

  const send = () => {
    const found: FormFaults = {
      ...appOf(form, app?.spec).faults,
      ...(form.from === 'image' ? {} : buildOf(form).faults),
    };
    if (isTaken) found.name = 'There is an app of this name.';
    if (form.from === 'files' && source === null) found.file = 'Choose what is built.';
    setFaults(found);
    if (Object.keys(found).length === 0 && !deploy.isPending) deploy.mutate(undefined);
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

  const set = (field: keyof Form, value: string) => {
    setForm((now) => ({ ...now, [field]: value }));
    setFaults((now) => ({ ...now, [field]: undefined }));
  };
  /** The name follows what is deployed until somebody types one. */
  const suggest = (found: string) => {
    if (!hasNamed.current) set('name', found);
  };
  const text = (field: Exclude<keyof Form, 'from' | 'health' | 'order'>) => ({
    value: form[field],
    error: told[field],
    onChange: (event: { currentTarget: { value: string } }) => set(field, event.currentTarget.value),
  });
  const choose = (chosen: Source | null) => {
    setSource(chosen);
    setFaults((now) => ({ ...now, file: undefined }));
    if (chosen !== null) suggest(chosen.kind === 'archive' && !isArchive(chosen.name) ? '' : nameOfFile(chosen.name));
  };

  return (
    <Page title={title} above={<Link to="/apps">Apps</Link>} command={commandOf(form, source?.name ?? '')}>
      {sending !== null && (
        <Section title="Deployment">
          <Uploading sending={sending} stop={() => stopping.current?.abort()} />
        </Section>
      )}
      <div hidden={sending !== null}>
        <Section title="What to run">
          <form onSubmit={onSubmit} onKeyDown={onKeyDown} noValidate>
            <Stack gap="md">
              <SegmentedControl
                aria-label="From"
                data={SOURCES}
                value={form.from}
                onChange={(from) => set('from', from as From)}
              />
              {form.from === 'image' && (
                <TextInput
                  label="Image"
                  placeholder="nginx:1.25"
                  description="A tag is resolved to a digest once, now."
                  autoFocus
                  spellCheck={false}
                  {...text('image')}
                  onChange={(event) => {
                    set('image', event.currentTarget.value);
                    suggest(nameOfImage(event.currentTarget.value));
                  }}
                />
              )}
              {form.from === 'files' && <SourcePicker source={source} choose={choose} fault={told.file} />}
              {form.from === 'git' && (
                <TextInput
                  label="Repository"
                  placeholder="https://example.org/team/shop.git#main"
                  description="A branch, tag or commit after #. The builder fetches it; no password in it."
                  spellCheck={false}
                  {...text('git')}
                  onChange={(event) => {
                    set('git', event.currentTarget.value);
                    suggest(nameOfGit(event.currentTarget.value));
                  }}
                />
              )}
              <SimpleGrid cols={{ base: 1, sm: 3 }}>
                <TextInput
                  label="Name"
                  description={<NameState name={name} isTaken={isTaken} isFixed={app !== undefined} />}
                  readOnly={app !== undefined}
                  spellCheck={false}
                  {...text('name')}
                  onChange={(event) => {
                    hasNamed.current = event.currentTarget.value !== '';
                    set('name', event.currentTarget.value);
                  }}
                />
                <TextInput
                  label="Port"
                  description="where it listens inside the container"
                  placeholder={form.from === 'image' ? 'none: it serves nothing' : 'what the build finds'}
                  inputMode="numeric"
                  {...text('port')}
                />
                <TextInput
                  label="Replicas"
                  description="how many at least"
                  placeholder="1"
                  inputMode="numeric"
                  {...text('min')}
                />
              </SimpleGrid>
              <div>
                <Button size="compact-sm" variant="subtle" onClick={more.toggle} aria-expanded={isMore || foldedFault}>
                  {isMore || foldedFault ? 'Less' : 'Environment, resources, health, domains, roll-out…'}
                </Button>
              </div>
              {(isMore || foldedFault) && <More form={form} told={told} text={text} set={set} />}
              {problem !== null && <ErrorPanel error={problem} />}
              {isStopped && <Text size="sm">The upload was stopped; nothing was built.</Text>}
              <Group>
                <Button type="submit" loading={deploy.isPending}>
                  Deploy
                </Button>
                <Text size="xs" c="dimmed">
                  or Ctrl+Enter
                </Text>
              </Group>
            </Stack>
          </form>
        </Section>
      </div>
    </Page>
  );
}

/** Checked with each letter, against the apps that the page knows. */
function NameState({ name, isTaken, isFixed }: { name: string; isTaken: boolean; isFixed: boolean }) {
  if (isFixed) return <span>its next release</span>;
  if (name === '') return <span>part of its address</span>;
  const fault = nameFault(name);
  if (fault !== undefined) return <span data-name="bad">{fault}</span>;
  if (isTaken) {
    return (
      <span data-name="taken">
        taken:{' '}
        <Link to="/deploy" search={{ app: name }}>
          deploy a new version of it
        </Link>
      </span>
    );
  }
  return <span data-name="free">{name} is free</span>;
}

function Uploading({ sending, stop }: { sending: Sending; stop: () => void }) {
  const { sent, total, packing } = sending;
  const share = total > 0 ? Math.floor((100 * sent) / total) : 0;
  const todo = { state: 'todo', from: null, to: null, detail: '' } as const;
  const detail = packing ? 'packing the folder' : `${share} %, ${bytes(sent)} of ${bytes(total)}`;
  return (
    <StepList
      label="Deployment"
      steps={[
        { ...todo, name: 'source', label: 'Uploading', state: 'now', detail },
        { ...todo, name: 'queued', label: 'Queued' },
        { ...todo, name: 'building', label: 'Build' },
        { ...todo, name: 'rolling', label: 'Roll out' },
        { ...todo, name: 'live', label: 'Live' },
      ]}
      under={(step) =>
        step.name === 'source' && (
          <Group gap="sm" wrap="nowrap">
            <progress className="upload" value={sent} max={Math.max(1, total)} aria-label="Upload" />
            <Button size="compact-xs" variant="default" onClick={stop}>
              Stop
            </Button>
          </Group>
        )
      }
    />
  );
}

interface MoreProps {
  form: Form;
  told: FormFaults;
  text: (field: Exclude<keyof Form, 'from' | 'health' | 'order'>) => {
    value: string;
    error: string | undefined;
    onChange: (event: { currentTarget: { value: string } }) => void;
  };
  set: (field: keyof Form, value: string) => void;
}

const HEALTH = [
  { value: '', label: 'Its port accepts a connection' },
  { value: 'http', label: 'A path answers' },
  { value: 'exec', label: 'A command succeeds' },
  { value: 'none', label: 'Running is enough' },
];
const ORDER = [
  { value: '', label: 'The new replica first' },
  { value: 'stop-first', label: 'The old one stops first' },
];

function More({ form, text, set }: MoreProps) {
  const mono = { input: { fontFamily: 'var(--mantine-font-family-monospace)' } };
  return (
    <Stack gap="md">
      <Textarea
        label="Environment"
        description="NAME=VALUE, one a line"
        autosize
        minRows={2}
        spellCheck={false}
        styles={mono}
        {...text('env')}
      />
      <TextInput
        label="Command"
        placeholder="the image's own"
        description="run by its sh -c"
        spellCheck={false}
        {...text('command')}
      />
      <SimpleGrid cols={{ base: 2, sm: 3 }}>
        <TextInput label="CPU cores each" placeholder="0.5" inputMode="decimal" {...text('cores')} />
        <TextInput label="Memory each (MiB)" placeholder="256" inputMode="numeric" {...text('memory')} />
        <TextInput label="Replicas at most" placeholder="as many as at least" inputMode="numeric" {...text('max')} />
        <TextInput
          label="Requests/s each"
          placeholder="no rule"
          description="more: one more replica"
          inputMode="decimal"
          {...text('requests')}
        />
        <TextInput
          label="CPU % each"
          placeholder="no rule"
          description="more: one more replica"
          inputMode="decimal"
          {...text('cpu')}
        />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Select
          label="Healthy means"
          data={HEALTH}
          value={form.health === 'tcp' ? '' : form.health}
          allowDeselect={false}
          onChange={(value) => set('health', value ?? '')}
        />
        {(form.health === 'http' || form.health === 'exec') && (
          <TextInput
            label={form.health === 'http' ? 'Path' : 'Command'}
            placeholder={form.health === 'http' ? '/healthz' : 'test -f /tmp/ready'}
            spellCheck={false}
            {...text('probe')}
          />
        )}
      </SimpleGrid>
      <Textarea
        label="Domains"
        description="host names, one a line, with a path where wanted: shop.example.org/api"
        autosize
        minRows={1}
        spellCheck={false}
        {...text('domains')}
      />
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <Select
          label="Roll-out"
          description="of each replica"
          data={ORDER}
          value={form.order}
          allowDeselect={false}
          onChange={(value) => set('order', value ?? '')}
        />
        <TextInput
          label="Canary replicas"
          description="that wait for your decision"
          placeholder="none"
          inputMode="numeric"
          {...text('canary')}
        />
        <TextInput
          label="Given up after (s)"
          description="without being healthy"
          placeholder="60"
          inputMode="decimal"
          {...text('deadline')}
        />
      </SimpleGrid>
      {form.from !== 'image' && (
        <>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput label="Folder of the source" placeholder="found" spellCheck={false} {...text('folder')} />
            <TextInput label="Dockerfile" placeholder="found, or made" spellCheck={false} {...text('dockerfile')} />
          </SimpleGrid>
          <Textarea
            label="Build arguments"
            description="NAME=VALUE, one a line; whoever sees the build sees them"
            autosize
            minRows={1}
            spellCheck={false}
            styles={mono}
            {...text('args')}
          />
        </>
      )}
    </Stack>
  );
}
