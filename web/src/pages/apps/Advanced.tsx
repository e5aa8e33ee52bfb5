// Advanced: what an app and its build may say beside what everybody says; everything here has a good default.
import { Button, PasswordInput, Select, SimpleGrid, Stack, Text, Textarea, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Form, FormFaults, TextField } from './form';

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
const ROLLBACK = [
  { value: '', label: 'The old one is made whole' },
  { value: 'off', label: 'It stays for you to look at' },
];
const REDIRECT = [
  { value: '', label: 'Serve both' },
  { value: 'yes', label: 'Send http to https' },
];
const MAINTENANCE = [
  { value: '', label: 'The app' },
  { value: 'yes', label: 'A maintenance page' },
];
const CACHE = [
  { value: '', label: 'Used' },
  { value: 'no', label: 'Every step again' },
];

export interface Fields {
  form: Form;
  told: FormFaults;
  set: <Field extends keyof Form>(field: Field, value: Form[Field]) => void;
}

/** Field `name` as a line. */
export function useText({ form, told, set }: Fields) {
  return (name: TextField) => ({
    value: form[name],
    error: told[name],
    onChange: (event: { currentTarget: { value: string } }) => set(name, event.currentTarget.value),
    spellCheck: false,
  });
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <fieldset className="form-part">
      <legend>{title}</legend>
      <Stack gap="sm">{children}</Stack>
    </fieldset>
  );
}

const THREE = { base: 2, sm: 3 };
const MONO = { input: { fontFamily: 'var(--mantine-font-family-monospace)' } };
const number = { inputMode: 'decimal' } as const;

export function AppAdvanced(fields: Fields) {
  const { form, set } = fields;
  const text = useText(fields);
  return (
    <>
      <Part title="What runs">
        <Textarea
          label="Environment"
          description="NAME=VALUE, one a line"
          autosize
          minRows={2}
          styles={MONO}
          {...text('env')}
        />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TextInput
            label="Command"
            placeholder="the image's own"
            description="run by its sh -c"
            {...text('command')}
          />
          <TextInput
            label="Command before a release"
            placeholder="none"
            description="once, with the new image: a migration"
            {...text('release')}
          />
        </SimpleGrid>
        <SimpleGrid cols={THREE}>
          <TextInput label="CPU cores each" placeholder="0.5" {...number} {...text('cores')} />
          <TextInput label="Memory each (MiB)" placeholder="256" {...number} {...text('memory')} />
          <TextInput label="GPUs each" placeholder="0" {...number} {...text('gpus')} />
        </SimpleGrid>
      </Part>
      <Part title="How many">
        <SimpleGrid cols={THREE}>
          <TextInput label="Replicas at most" placeholder="as many as at least" {...number} {...text('max')} />
          <TextInput label="Requests/s each" placeholder="no rule" {...number} {...text('requests')} />
          <TextInput label="At a time each" placeholder="no rule" {...number} {...text('concurrency')} />
          <TextInput label="CPU % each" placeholder="no rule" {...number} {...text('cpu')} />
          <TextInput label="Memory % each" placeholder="no rule" {...number} {...text('ram')} />
          <TextInput label="Sleeps after (s)" placeholder="300" {...number} {...text('idle')} />
        </SimpleGrid>
        <Text size="xs" c="dimmed">
          More than a rule says is one more replica. It sleeps, with 0 at least, after so long without a request.
        </Text>
      </Part>
      <Part title="Health">
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label="Healthy means"
            data={HEALTH}
            value={form.health === 'tcp' ? '' : form.health}
            allowDeselect={false}
            onChange={(value) => set('health', (value ?? '') as Form['health'])}
          />
          {(form.health === 'http' || form.health === 'exec') && (
            <TextInput
              label={form.health === 'http' ? 'Path' : 'Check command'}
              placeholder={form.health === 'http' ? '/healthz' : 'test -f /tmp/ready'}
              {...text('probe')}
            />
          )}
        </SimpleGrid>
        <SimpleGrid cols={THREE}>
          <TextInput label="Looked at every (s)" placeholder="2" {...number} {...text('every')} />
          <TextInput label="Answers within (s)" placeholder="1" {...number} {...text('patience')} />
          <TextInput label="Failures in a row" placeholder="3" {...number} {...text('failures')} />
        </SimpleGrid>
      </Part>
      <Part title="Addresses">
        <Textarea
          label="Domains"
          description="host names, one a line, with a path where wanted: shop.example.org/api"
          autosize
          minRows={1}
          {...text('domains')}
        />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label="Encryption"
            data={REDIRECT}
            value={form.redirect}
            allowDeselect={false}
            onChange={(value) => set('redirect', value === 'yes' ? 'yes' : '')}
          />
          <Select
            label="People see"
            data={MAINTENANCE}
            value={form.maintenance}
            allowDeselect={false}
            onChange={(value) => set('maintenance', value === 'yes' ? 'yes' : '')}
          />
        </SimpleGrid>
      </Part>
      <Part title="Roll-out">
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label="Of each replica"
            data={ORDER}
            value={form.order}
            allowDeselect={false}
            onChange={(value) => set('order', value === 'stop-first' ? value : '')}
          />
          <Select
            label="When a release fails"
            data={ROLLBACK}
            value={form.rollback}
            allowDeselect={false}
            onChange={(value) => set('rollback', value === 'off' ? value : '')}
          />
        </SimpleGrid>
        <SimpleGrid cols={THREE}>
          <TextInput label="At a time" placeholder="1" {...number} {...text('batch')} />
          <TextInput label="Healthy for (s)" placeholder="3" {...number} {...text('settling')} />
          <TextInput label="Given up after (s)" placeholder="60" {...number} {...text('deadline')} />
          <TextInput label="Finishes within (s)" placeholder="30" {...number} {...text('drain')} />
          <TextInput label="TERM to KILL (s)" placeholder="10" {...number} {...text('grace')} />
          <TextInput label="Canary replicas" placeholder="none" {...number} {...text('canary')} />
          <TextInput label="Canary's share (%)" placeholder="by replicas" {...number} {...text('share')} />
        </SimpleGrid>
      </Part>
      <Part title="Where">
        <Textarea
          label="Constraints"
          description="one a line, for example node.arch == amd64"
          autosize
          minRows={1}
          styles={MONO}
          {...text('constraints')}
        />
        <Textarea
          label="Labels"
          description="name=value, one a line"
          autosize
          minRows={1}
          styles={MONO}
          {...text('labels')}
        />
      </Part>
    </>
  );
}

export function BuildAdvanced(fields: Fields) {
  const { form, told, set } = fields;
  const text = useText(fields);
  return (
    <>
      <Part title="How it is built">
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TextInput label="Folder of the source" placeholder="found, or all of it" {...text('folder')} />
          <TextInput label="Dockerfile" placeholder="found, or made" {...text('dockerfile')} />
          <TextInput label="Stage" placeholder="the last" {...text('target')} />
          <TextInput label="Platform" placeholder="any machine's own, or linux/arm64" {...text('platform')} />
        </SimpleGrid>
        <Textarea
          label="Build arguments"
          description="NAME=VALUE, one a line; whoever sees the build sees them"
          autosize
          minRows={1}
          styles={MONO}
          {...text('args')}
        />
        <Secrets secrets={form.secrets} fault={told.secrets} change={(secrets) => set('secrets', secrets)} />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TextInput label="Tags" placeholder="none: named by its digest" {...text('tags')} />
          <Select
            label="Cached steps"
            data={CACHE}
            value={form.cache}
            allowDeselect={false}
            onChange={(value) => set('cache', value === 'no' ? 'no' : '')}
          />
        </SimpleGrid>
      </Part>
      <Part title="What the build may take">
        <SimpleGrid cols={THREE}>
          <TextInput label="CPU cores" placeholder="1" {...number} {...text('buildCores')} />
          <TextInput label="Memory (MiB)" placeholder="1024" {...number} {...text('buildMemory')} />
          <TextInput label="Disk (MiB)" placeholder="10240" {...number} {...text('buildDisk')} />
          <TextInput label="GPUs" placeholder="0" {...number} {...text('buildGpus')} />
          <TextInput label="Time limit (s)" placeholder="1800" {...number} {...text('buildTimeout')} />
          <TextInput label="Retries" placeholder="0" {...number} {...text('buildRetries')} />
          <TextInput label="Priority" placeholder="50" {...number} {...text('buildPriority')} />
          <TextInput label="On the machine" placeholder="any builder" {...text('buildNode')} />
        </SimpleGrid>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Textarea
            label="Constraints of the build"
            description="one a line"
            autosize
            minRows={1}
            styles={MONO}
            {...text('buildConstraints')}
          />
          <Textarea
            label="Labels of the build"
            description="name=value, one a line"
            autosize
            minRows={1}
            styles={MONO}
            {...text('buildLabels')}
          />
        </SimpleGrid>
      </Part>
    </>
  );
}

interface SecretsProps {
  secrets: Form['secrets'];
  fault: string | undefined;
  change: (secrets: Form['secrets']) => void;
}

function Secrets({ secrets, fault, change }: SecretsProps) {
  const put = (at: number, more: Partial<Form['secrets'][number]>) =>
    change(secrets.map((one, other) => (other === at ? { ...one, ...more } : one)));
  return (
    <div role="group" aria-label="Build secrets">
      <Text size="sm" fw={500}>
        Build secrets
      </Text>
      <Text size="xs" c="dimmed" mb={6}>
        For RUN --mount=type=secret,id=ID. Kept encrypted, in no layer and no log, and never shown again.
      </Text>
      <Stack gap={6}>
        {secrets.map((secret, at) => (
          <div className="secret-row" key={at}>
            <TextInput
              aria-label={`Id of secret ${at + 1}`}
              placeholder="npm"
              spellCheck={false}
              value={secret.id}
              onChange={(event) => put(at, { id: event.currentTarget.value })}
            />
            <PasswordInput
              aria-label={`Value of secret ${at + 1}`}
              placeholder="its value"
              autoComplete="off"
              value={secret.value}
              visibilityToggleButtonProps={{ 'aria-label': `Show secret ${at + 1}` }}
              onChange={(event) => put(at, { value: event.currentTarget.value })}
            />
            <FromFile at={at} take={(value) => put(at, { value })} />
            <Button
              size="xs"
              variant="subtle"
              color="red"
              aria-label={`Remove secret ${at + 1}`}
              onClick={() => change(secrets.filter((_, other) => other !== at))}
            >
              Remove
            </Button>
          </div>
        ))}
      </Stack>
      {fault && (
        <Text size="xs" c="var(--mantine-color-error)" mt={4} role="alert">
          {fault}
        </Text>
      )}
      <Button
        size="compact-xs"
        variant="default"
        mt={secrets.length > 0 ? 6 : 0}
        onClick={() => change([...secrets, { id: '', value: '' }])}
      >
        Add a secret
      </Button>
    </div>
  );
}

/** Of several lines, as private keys are: a line to type in has room for one. */
function FromFile({ at, take }: { at: number; take: (value: string) => void }) {
  return (
    <Button size="xs" variant="default" component="label">
      From a file
      <input
        type="file"
        className="sr-only"
        aria-label={`Secret ${at + 1} from a file`}
        onChange={async (event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file !== undefined) take(await file.text());
        }}
      />
    </Button>
  );
}
