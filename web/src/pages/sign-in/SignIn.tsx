// Sign in: with a key, or by a one-time link (its token stands behind the #).
import { Button, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { api, type Schemas, take } from '../../api/client';
import { keys, sessionQuery } from '../../api/queries';
import { CopyLine } from '../../ui/Copy';
import { Icon } from '../../ui/icons';
import { ErrorPanel } from '../../ui/states';
import { signInRoute } from './route';

let token = takeToken(); // once, and gone from the address before anything else is drawn

function takeToken(): string | null {
  const found = new URLSearchParams(location.hash.slice(1)).get('token');
  if (found !== null) history.replaceState(history.state, '', location.pathname + location.search);
  return found;
}

export function SignIn() {
  const { next } = signInRoute.useSearch();
  const session = useQuery(sessionQuery);
  const client = useQueryClient();
  const [key, setKey] = useState('');
  const signIn = useMutation({
    mutationFn: (given: Schemas['SessionBody']) => take(api.POST('/api/session', { body: given })),
    onSuccess: (made) => client.setQueryData(keys.session, made),
  });
  const navigate = useNavigate();
  const isSignedIn = session.data?.signed_in === true;
  useEffect(() => {
    if (isSignedIn) void navigate({ href: next ?? '/', replace: true });
  }, [isSignedIn, navigate, next]);
  const { mutate } = signIn;
  useEffect(() => {
    document.title = 'Sign in · DRaaS';
    if (token !== null) {
      mutate({ token });
      token = null;
    }
  }, [mutate]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    mutate({ key: key.trim() });
  };
  return (
    <main className="sign-in">
      <div>
        <Paper withBorder p="xl" radius="md">
          <form onSubmit={submit}>
            <Stack gap="md">
              <div className="shell-brand">
                <Icon name="images" size={26} />
                <Title order={1}>DRaaS</Title>
              </div>
              <Text size="sm">Sign in with a key. It is exchanged for a session; this browser does not keep it.</Text>
              <PasswordInput
                label="Key"
                autoFocus
                autoComplete="current-password"
                name="key"
                required
                withAsterisk={false}
                value={key}
                onChange={(event) => setKey(event.currentTarget.value)}
              />
              {signIn.error !== null && <ErrorPanel error={signIn.error} />}
              <Button type="submit" loading={signIn.isPending} disabled={key.trim() === ''} fullWidth>
                Sign in
              </Button>
              <Text size="sm" c="dimmed">
                The admin key was printed at the controller's first start. Where the command line has a key, it makes a
                link that signs in once:
              </Text>
              <CopyLine line="draas dashboard" />
            </Stack>
          </form>
        </Paper>
      </div>
    </main>
  );
}
