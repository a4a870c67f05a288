import type { KnownManifests, Observation } from './ports.ts';

/** What the actual state says of the files that hold, or held, manifests. */
export function knownIn({ view, live }: Pick<Observation, 'view' | 'live'>): KnownManifests {
  const knownFiles = new Set(live.map(({ record }) => record.path));
  for (const { source } of view.statuses.values()) if (source?.path !== undefined) knownFiles.add(source.path);
  let byPath: ReturnType<typeof judgedIn> | undefined;
  // Made when it is asked for: a process that has read all files before asks for those that have changed alone.
  return { knownFiles, judged: (path) => (byPath ??= judgedIn(view)).get(path) };
}

type Judged = NonNullable<ReturnType<KnownManifests['judged']>>;

function judgedIn({ statuses }: Observation['view']): ReadonlyMap<string, Judged> {
  const found = new Map<string, Judged>();
  for (const { job: name, source, judged } of statuses.values()) if (judged) found.set(source.path, { name, judged });
  return found;
}
