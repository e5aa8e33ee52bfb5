// Replicas on a machine.
import { useQueries, useQuery } from '@tanstack/react-query';
import type { Machine } from '../../api/client';
import { appQuery, appsQuery } from '../../api/queries';

const APPS_LOOKED_AT = 50;

/** Those that have not ended: "shop #2 (release 5)". */
export function useReplicasOn(machine: Machine): string[] {
  const apps = useQuery(appsQuery).data?.items ?? [];
  const details = useQueries({ queries: apps.slice(0, APPS_LOOKED_AT).map((app) => appQuery(app.name)) });
  return details.flatMap(({ data }) =>
    (data?.replicas ?? [])
      .filter((replica) => replica.node_id === machine.id)
      .map(
        (replica) =>
          `${data!.name} #${replica.number} (release ${replica.release}, ${replica.health || replica.state})`,
      ),
  );
}
