// ClusterSentence: the state of the cluster, in the controller's words, as the head of every page shows it.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { statusQuery } from '../api/queries';
import { whereToLook } from './whereToLook';

export function ClusterSentence() {
  const { data: status } = useQuery(statusQuery);
  if (status === undefined) return null;
  const first = status.problems[0];
  return (
    <span className="sentence" data-tone={status.tone} title={first?.remedy}>
      {first === undefined ? status.text : <Link to={whereToLook(first.about)}>{status.text}</Link>}
    </span>
  );
}
