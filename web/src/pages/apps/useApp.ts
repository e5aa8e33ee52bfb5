// UseApp: an app as it is now. While the page is seen a stream tells each change, also those of replicas, which are no events.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { AppDetail } from '../../api/client';
import { appQuery } from '../../api/queries';
import { follow } from '../../live/follow';

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
  useEffect(() => {
    if (name === null) return;
    let stop: (() => void) | undefined;
    const begin = () => {
      stop ??= follow(`/api/apps/${encodeURIComponent(name)}/watch`, {
        isLast: (frame) => frame.event === 'end',
        onFrames: (frames) => {
          const seen = frames.findLast((frame) => frame.event === 'app');
          const isRemoved = frames.some((frame) => frame.event === 'end');
          setWatched((before) => ({
            of: name,
            data: seen ? (JSON.parse(seen.data) as AppDetail) : before.of === name ? before.data : undefined,
            isRemoved,
          }));
        },
      });
    };
    // Browsers allow six connections to a host: a page that nobody sees gives this one back at once.
    const onVisibility = () => {
      if (document.visibilityState === 'visible') return begin();
      stop?.();
      stop = undefined;
    };
    onVisibility();
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      stop?.();
    };
  }, [name]);
  return { data: now.data ?? asked.data, error: asked.error, refetch: asked.refetch, isRemoved: now.isRemoved };
}
