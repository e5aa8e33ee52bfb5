// Act: something that changes the cluster: one at a time, its error shown where it was asked for.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { asProblem } from '../api/problem';
import { toast } from './toasts';

interface Act<Given, Done> {
  do: (given: Given) => Promise<Done>;
  /** Said when it is done. */
  done?: string | ((done: Done) => string);
  /** Keys of the queries that show what it changed. */
  stale?: readonly (readonly unknown[])[];
  after?: (done: Done) => void;
  /** The page shows the error itself. */
  quiet?: boolean;
}

export function useAct<Given, Done>({ do: perform, done, stale = [], after, quiet }: Act<Given, Done>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: perform,
    onSuccess: (result) => {
      for (const queryKey of stale) void client.invalidateQueries({ queryKey });
      const told = typeof done === 'function' ? done(result) : done;
      if (told) toast({ tone: 'good', message: told });
      after?.(result);
    },
    onError: (error) => {
      if (quiet) return;
      const problem = asProblem(error);
      toast({ tone: 'bad', title: problem.title, message: problem.message });
    },
  });
}
