// Gate: whoever is not signed in is led to the sign-in, and back to where they wanted to go.
import { useQuery } from '@tanstack/react-query';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { sessionQuery } from '../api/queries';
import { Live } from '../live/Live';
import { ErrorPanel, Loading } from '../ui/states';
import { Shell } from './Shell';

const PAST = 100; // events before now, so that the overview has a past to show

export function Gate() {
  const session = useQuery(sessionQuery);
  const known = useRef<number | null>(null);
  if (session.data === undefined) {
    return (
      <div className="sign-in">
        <div>
          {session.error ? (
            <ErrorPanel error={session.error} onRetry={() => void session.refetch()} />
          ) : (
            <Loading rows={3} />
          )}
        </div>
      </div>
    );
  }
  if (!session.data.signed_in) return <ToSignIn />;
  known.current ??= session.data.last_event;
  return (
    <Live since={Math.max(0, known.current - PAST)} known={known.current}>
      <Shell session={session.data} />
    </Live>
  );
}

/** Leads there once: the address changes before this page goes, and would lead on for ever. */
function ToSignIn() {
  const navigate = useNavigate();
  const { pathname, href } = useLocation();
  const wanted = useRef(pathname === '/' ? undefined : href);
  useEffect(() => {
    const next = wanted.current;
    void navigate({ to: '/sign-in', search: next === undefined ? {} : { next }, replace: true });
  }, [navigate]);
  return null;
}
