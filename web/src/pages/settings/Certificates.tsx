// Certificates: what ingresses show for the domains of apps. A private key goes in, never out.
import { Button, FileButton, Group, Modal, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, take } from '../../api/client';
import { asProblem } from '../../api/problem';
import { aboutQuery, certificatesQuery, keys } from '../../api/queries';
import { shellQuote } from '../../lib/shell';
import { useAct } from '../../ui/act';
import { SameAs } from '../../ui/Copy';
import { type Column, DataTable } from '../../ui/DataTable';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Facts } from '../../ui/Page';
import { Answer, EmptyState, ErrorPanel } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { Frame } from './Frame';
import { certificatesRoute } from './route';
import { faultsBy } from './words';

type Certificate = Schemas['CertificateView'];

const SOURCES: Record<string, string> = { file: 'given', acme: 'got by itself' };

export function Certificates() {
  const isAdding = certificatesRoute.useSearch().new === true;
  const navigate = useNavigate();
  const ask = (isNew: boolean) => void navigate({ to: '/settings/certificates', search: isNew ? { new: true } : {} });
  const mayDeploy = useMay('deploy');
  const isWhole = useMay('oversee');
  const mayChange = mayDeploy && isWhole;
  const certificates = useQuery({ ...certificatesQuery, enabled: isWhole });
  const acme = useQuery(aboutQuery).data?.acme ?? null;
  const [chosen, setChosen] = useState<string | null>(null);
  const certificate = certificates.data?.items.find((one) => one.host === chosen);
  const columns: Column<Certificate>[] = [
    {
      name: 'Domain',
      width: 'minmax(8rem, 2fr)',
      cell: (one) => (
        <button type="button" className="link one-line" onClick={() => setChosen(one.host)}>
          {one.host}
        </button>
      ),
    },
    { name: 'Ends', width: '110px', cell: (one) => <TimeAgo at={one.expires_at} /> },
    { name: 'Issued by', width: 'minmax(6rem, 1fr)', wide: true, cell: (one) => one.issuer },
    { name: 'From', width: '110px', wide: true, cell: (one) => SOURCES[one.source] ?? one.source },
  ];
  return (
    <Frame
      at="/settings/certificates"
      command="draas certs"
      actions={
        mayChange && (
          <Button leftSection={<Icon name="plus" size={16} />} onClick={() => ask(true)}>
            Add a certificate
          </Button>
        )
      }
    >
      <Answer of={certificates} rows={3}>
        {({ items }) => (
          <DataTable
            label="Certificates"
            columns={columns}
            rows={items}
            idOf={(one) => one.host}
            empty={
              <EmptyState title="No certificate.">
                {acme === null ? (
                  <>
                    Apps' domains are served over HTTP. Add one here, or have them got by themselves:{' '}
                    <code>--acme-email</code> where the controller starts.
                  </>
                ) : (
                  'They are got by themselves for the domains of apps.'
                )}
              </EmptyState>
            }
          />
        )}
      </Answer>
      <Modal opened={mayChange && isAdding} onClose={() => ask(false)} title="Add a certificate" size="lg">
        <Add onAdded={() => ask(false)} />
      </Modal>
      <Modal
        opened={certificate !== undefined}
        onClose={() => setChosen(null)}
        title={certificate?.host ?? ''}
        size="lg"
      >
        {certificate !== undefined && (
          <Detail key={certificate.host} of={certificate} mayRemove={mayChange} onGone={() => setChosen(null)} />
        )}
      </Modal>
    </Frame>
  );
}

function Add({ onAdded }: { onAdded: () => void }) {
  const [form, setForm] = useState({ host: '', chain: '', key: '' });
  const host = form.host.trim();
  const add = useAct({
    do: () =>
      take(
        api.PUT('/api/certificates/{host}', {
          params: { path: { host } },
          body: { chain: form.chain, key: form.key },
        }),
      ),
    done: (made) => `${made.host} is shown with a certificate by ${made.issuer}`,
    stale: [keys.certificates],
    after: onAdded,
    quiet: true,
  });
  const problem = add.error === null ? null : asProblem(add.error);
  const told = faultsBy(problem?.faults ?? []);
  const put = (field: keyof typeof form, value: string) => setForm((now) => ({ ...now, [field]: value }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate(undefined);
  };
  const pem = (field: 'chain' | 'key', label: string, description: string) => (
    <div>
      <Textarea
        label={label}
        description={description}
        placeholder={`-----BEGIN ${field === 'chain' ? 'CERTIFICATE' : 'PRIVATE KEY'}-----`}
        autosize
        minRows={3}
        maxRows={6}
        spellCheck={false}
        autoComplete="off"
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        value={form[field]}
        error={told[field]}
        onChange={(event) => put(field, event.currentTarget.value)}
      />
      <FileButton
        accept=".pem,.crt,.cer,.key,text/plain"
        onChange={(file) => void file?.text().then((text) => put(field, text))}
      >
        {(props) => (
          <Button {...props} size="compact-sm" variant="subtle">
            From a file…
          </Button>
        )}
      </FileButton>
    </div>
  );
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Domain"
          description="Or *.DOMAIN; a certificate that is there already is replaced"
          placeholder="shop.example.org"
          data-autofocus
          spellCheck={false}
          value={form.host}
          error={told.host}
          onChange={(event) => put('host', event.currentTarget.value)}
        />
        {pem('chain', 'Certificate', "PEM: the domain's, then its issuers'")}
        {pem('key', 'Private key', 'PEM, without a passphrase. Kept encrypted, never shown again')}
        {problem !== null && <ErrorPanel error={problem} />}
        <Group>
          <Button type="submit" loading={add.isPending} disabled={!(host && form.chain.trim() && form.key.trim())}>
            Add it
          </Button>
        </Group>
        <SameAs command={`draas certs add ${shellQuote(host || 'HOST')} --chain chain.pem --key key.pem`} />
      </Stack>
    </form>
  );
}

interface DetailProps {
  of: Certificate;
  mayRemove: boolean;
  onGone: () => void;
}

function Detail({ of, mayRemove, onGone }: DetailProps) {
  const [isSure, setSure] = useState(false);
  const remove = useAct({
    do: () => take(api.DELETE('/api/certificates/{host}', { params: { path: { host: of.host } } })),
    done: `${of.host} has no certificate any more`,
    stale: [keys.certificates],
    after: onGone,
  });
  return (
    <Stack gap="md" align="flex-start">
      <Facts
        of={[
          ['Good for', of.names.join(', ')],
          ['Issued by', of.issuer],
          ['From', SOURCES[of.source] ?? of.source],
          ['Begins', <TimeAgo key="begins" at={of.not_before} />],
          ['Ends', <TimeAgo key="ends" at={of.expires_at} />],
        ]}
      />
      {mayRemove && !isSure && (
        <Button variant="default" onClick={() => setSure(true)}>
          Remove…
        </Button>
      )}
      {mayRemove && isSure && (
        <>
          <Text size="sm">
            Browsers that come to {of.host} over HTTPS are told that it is not safe, until there is another.
          </Text>
          <Button color="red" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
            Remove it
          </Button>
        </>
      )}
      {mayRemove && <SameAs command={`draas certs rm ${shellQuote(of.host)}`} />}
    </Stack>
  );
}
