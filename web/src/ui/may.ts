// May: what the signed-in key's role allows, so that no page offers what the API would refuse.
import { useQuery } from '@tanstack/react-query';
import type { Session } from '../api/client';
import { sessionQuery } from '../api/queries';

const RANK: Record<string, number> = { viewer: 1, deployer: 2, admin: 3 };

export type Right = 'view' | 'oversee' | 'deploy' | 'administer';
const NEEDED: Record<Right, number> = { view: 1, oversee: 1, deploy: 2, administer: 3 };
const WHOLE: ReadonlySet<Right> = new Set(['oversee', 'administer']);

/** As the table of access has it: what concerns the whole cluster needs a key that is for no single project. Pure. */
export function may(session: Pick<Session, 'role' | 'project'> | undefined, right: Right): boolean {
  if (session === undefined || (WHOLE.has(right) && session.project !== null)) return false;
  return (RANK[session.role ?? ''] ?? 0) >= NEEDED[right];
}

export function useMay(right: Right): boolean {
  return may(useQuery(sessionQuery).data, right);
}
