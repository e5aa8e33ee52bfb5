// About: what the controller is, how it is set up, and a link that signs another browser in.
import { Button, Modal, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, type Schemas, type Session, take } from '../../api/client';
import { aboutQuery, sessionQuery } from '../../api/queries';
import { freshKey } from '../../lib/key';
import { useAct } from '../../ui/act';
import { CopyId, CopyLine, SameAs } from '../../ui/Copy';
import { Facts, Section } from '../../ui/Page';
import { Answer } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { Frame } from './Frame';

type Told = Schemas['AboutView'];

export function About() {
  const about = useQuery(aboutQuery);
  const session = useQuery(sessionQuery).data;
  const [isAsking, asking] = useDisclosure(false);
  return (
    <Frame
      at="/settings"
      command="draas version --controller"
      actions={
        session?.is_open === false && (
          <Button variant="default" onClick={asking.open}>
            Sign in elsewhere…
          </Button>
        )
      }
    >
      <Answer of={about} rows={6}>
        {(told) => (
          <>
            <Section title="This controller">
              <Facts of={controllerFacts(told)} />
            </Section>
            {session !== undefined && (
              <Section title="You">
                <Facts of={ownFacts(session)} />
              </Section>
            )}
          </>
        )}
      </Answer>
      <Modal opened={isAsking} onClose={asking.close} title="Sign in elsewhere" size="lg">
        <Elsewhere />
      </Modal>
    </Frame>
  );
}

function controllerFacts(told: Told): [string, ReactNode][] {
  const facts: [string, ReactNode][] = [
    ['Version', told.version],
    ['Address', <CopyId key="address" id={told.url} />],
    ['Started', <TimeAgo key="started" at={told.started_at} />],
    ["Apps' names", `NAME.${told.apps_domain}`],
    ['TLS', { own: 'by its own authority', given: 'with a certificate of yours' }[told.tls] ?? 'none'],
    ['Certificates of apps', told.acme === null ? 'given by you' : `got from ${new URL(told.acme).host}`],
    ['Database', told.database === 'sqlite' ? 'SQLite in the data folder' : told.database],
    ['Images', told.blobs === 'files' ? 'in the data folder' : told.blobs],
    [
      'Pushes to Docker Hub',
      told.docker_hub === null ? 'off' : `${told.docker_hub.registry} as ${told.docker_hub.username}`,
    ],
  ];
  if (told.data_dir !== null) facts.push(['Data folder', <CopyId key="data" id={told.data_dir} />]);
  if (told.fingerprint !== '') facts.push(['Fingerprint of its authority', <code key="ca">{told.fingerprint}</code>]);
  return facts;
}

const ownFacts = (session: Session): [string, ReactNode][] =>
  session.is_open
    ? [['Key', 'none is needed from this machine (--open)']]
    : [
        ['Key', session.key || session.key_id || '–'],
        ['Role', session.role ?? '–'],
        ['Project', session.project ?? 'all'],
      ];

function Elsewhere() {
  const make = useAct({
    do: (once: string) => take(api.POST('/api/sign-in-links', { params: { header: { 'Idempotency-Key': once } } })),
  });
  const token = make.data?.token;
  return (
    <Stack gap="md" align="flex-start">
      <Text size="sm">
        A link that signs another browser in, such as a phone's, with the rights that you have here.
      </Text>
      {token ? (
        <>
          {/* By the address that this page came from: it is one that works. */}
          <CopyLine line={`${location.origin}/sign-in#token=${token}`} label="Copy the link" />
          <Text size="sm" c="dimmed">
            It works once, within 10 minutes.
          </Text>
        </>
      ) : (
        <Button loading={make.isPending} onClick={() => make.mutate(freshKey())}>
          Make a link
        </Button>
      )}
      <SameAs command="draas dashboard" />
    </Stack>
  );
}
