// AppActions: what can be done with an app.
import { Alert, Button, Group, Modal, NumberInput, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { type AppDetail, api, take } from '../../api/client';
import { keys } from '../../api/queries';
import { count } from '../../lib/amounts';
import { freshKey } from '../../lib/key';
import { useAct } from '../../ui/act';
import { useMay } from '../../ui/may';

const MOST = 100; // the API's own limit

/** What each request says of itself. */
export const onceFor = (name: string) => ({ path: { name }, header: { 'Idempotency-Key': freshKey() } });

export function AppActions({ app }: { app: AppDetail }) {
  const mayDeploy = useMay('deploy');
  const [isScaling, scaling] = useDisclosure(false);
  const [isRemoving, removing] = useDisclosure(false);
  const [isRestarting, restarting] = useDisclosure(false);
  const { name } = app;
  if (!mayDeploy || app.removing) return null;
  return (
    <>
      <Button variant="default" onClick={removing.open}>
        Remove…
      </Button>
      <Button variant="default" onClick={restarting.open} disabled={app.wanted === 0}>
        Restart…
      </Button>
      <Button variant="default" onClick={scaling.open}>
        Scale…
      </Button>
      <Button renderRoot={(props) => <Link to="/deploy" search={{ app: name }} {...props} />}>
        Deploy a new version
      </Button>
      <Modal opened={isScaling} onClose={scaling.close} title={`Scale ${name}`}>
        <Scale app={app} close={scaling.close} />
      </Modal>
      <Modal opened={isRestarting} onClose={restarting.close} title={`Restart ${name}?`}>
        <Restart app={app} close={restarting.close} />
      </Modal>
      <Modal opened={isRemoving} onClose={removing.close} title={`Remove ${name}?`}>
        <Remove app={app} close={removing.close} />
      </Modal>
    </>
  );
}

interface Asking {
  app: AppDetail;
  close: () => void;
}

function Scale({ app, close }: Asking) {
  const [replicas, setReplicas] = useState<number | string>(app.wanted);
  const { min, max } = app.spec.replicas;
  const scale = useAct({
    do: (wanted: number) =>
      take(api.POST('/api/apps/{name}/scale', { params: onceFor(app.name), body: { replicas: wanted } })),
    done: (now) => `${now.name}: ${count(now.wanted, 'replica')} wanted`,
    stale: [keys.apps],
    after: close,
  });
  const isNumber = typeof replicas === 'number';
  const isBeyond = isNumber && (replicas < min || replicas > max);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (isNumber) scale.mutate(replicas);
  };
  return (
    <form onSubmit={onSubmit}>
      <NumberInput
        data-autofocus
        label="Replicas"
        description="0 stops the app."
        min={0}
        max={MOST}
        allowDecimal={false}
        value={replicas}
        onChange={setReplicas}
      />
      {isBeyond && min !== max && (
        <Text size="sm" mt="xs">
          It is between {min} and {max} now; the bound in the way is moved.
        </Text>
      )}
      {app.spec.autoscale !== null && (
        <Text size="sm" mt="xs">
          Its autoscale rules go on from there.
        </Text>
      )}
      <Button mt="md" type="submit" disabled={!isNumber || replicas === app.wanted} loading={scale.isPending}>
        Scale
      </Button>
    </form>
  );
}

function Restart({ app, close }: Asking) {
  const restart = useAct({
    do: () => take(api.POST('/api/apps/{name}/restart', { params: onceFor(app.name) })),
    done: `${app.name} restarts`,
    stale: [keys.apps],
    after: close,
  });
  return (
    <>
      <Text size="sm">
        Every replica is replaced by a new one of the same release
        {app.spec.deploy.order === 'stop-first'
          ? ', which starts when the old one has stopped'
          : ', which serves before the old one stops'}
        .
      </Text>
      <Button data-autofocus mt="md" loading={restart.isPending} onClick={() => restart.mutate(undefined)}>
        Restart
      </Button>
    </>
  );
}

function Remove({ app, close }: Asking) {
  const remove = useAct({
    do: () => take(api.DELETE('/api/apps/{name}', { params: { path: { name: app.name } } })),
    done: `${app.name} is being removed`,
    stale: [keys.apps],
    after: close,
  });
  return (
    <>
      <Text size="sm">
        Its {count(app.replicas.length, 'replica')}, addresses, releases and output go, for good. Its builds and images
        stay.
      </Text>
      <Button mt="md" color="red" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
        Remove it
      </Button>
    </>
  );
}

/** A canary that waits for a person. */
export function CanaryDecision({ app }: { app: AppDetail }) {
  const mayDeploy = useMay('deploy');
  const decide = useAct({
    do: (action: 'promote' | 'abort') =>
      take(api.POST('/api/apps/{name}/canary', { params: onceFor(app.name), body: { action } })),
    stale: [keys.apps],
  });
  const canary = app.releases.find((release) => release.state === 'rolling' && release.canary === 'testing');
  if (canary === undefined) return null;
  const asked = app.spec.deploy.canary as { replicas: number; share_percent: number } | null;
  const share = asked?.share_percent ? `${asked.share_percent} % of the requests` : 'its share of the requests';
  return (
    <Alert
      color="indigo"
      variant="light"
      title={`The canary of release ${canary.number} is up and waits for a decision`}
    >
      <Text size="sm">
        {count(asked?.replicas ?? 1, 'replica')} of it get {share}; release {app.release ?? '–'} serves the rest.
      </Text>
      {mayDeploy && (
        <Group mt="xs" gap="xs">
          <Button size="xs" loading={decide.isPending} onClick={() => decide.mutate('promote')}>
            Promote to all
          </Button>
          <Button size="xs" variant="default" loading={decide.isPending} onClick={() => decide.mutate('abort')}>
            Abort
          </Button>
        </Group>
      )}
    </Alert>
  );
}
