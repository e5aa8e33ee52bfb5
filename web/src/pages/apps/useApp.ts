// UseApp: an app as it is now. The stream of events tells each change besides, also those of replicas, which are no events.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { AppDetail } from '../../api/client';
import { appQuery } from '../../api/queries';
import { useLive } from '../../live/Live';

interface Watched {
  of: string;
  data: AppDetail | undefined;
  isRemoved: boolean;
}

const NOTHING: Watched = { of: '', data: undefined, isRemoved: false };

/** `name` null: none is looked at. */
export function useApp(name: string | null) {
  const [watched, setWatched] = useState(NOTHING);
  const now = watched.of === name ? watched : NOTHING;
  const asked = useQuery({ ...appQuery(name ?? ''), enabled: name !== null && !now.isRemoved });
  const { watch } = useLive();
  useEffect(() => {
    if (name === null) return;
    return watch(name, (app) =>
      setWatched((before) => ({
        of: name,
        data: app ?? (before.of === name ? before.data : undefined),
        isRemoved: app === null,
      })),
    );
  }, [name, watch]);
  return { data: now.data ?? asked.data, error: asked.error, refetch: asked.refetch, isRemoved: now.isRemoved };
}
