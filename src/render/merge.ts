/**
 * How the lists of a PodSpec are merged, by the fields on the way to them. `key`: items with the same value there are one
 * item. `append`: all items stay. A list that is not here is replaced.
 *
 * The keys are the patch merge keys of the API (https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/);
 * it replaces tolerations, which are appended here, so that a job does not undo what its cluster needs.
 */
type ListStrategy = { readonly key: string; readonly items: 'merged' | 'replaced' } | 'append';

const by = (key: string, items: 'merged' | 'replaced' = 'merged'): ListStrategy => ({ key, items });

const CONTAINER_LISTS: Readonly<Record<string, ListStrategy>> = {
  // A value and a source exclude each other: half of the old entry must not stay.
  env: by('name', 'replaced'),
  envFrom: 'append',
  ports: by('containerPort'),
  volumeMounts: by('mountPath'),
  volumeDevices: by('devicePath'),
};

const within = (list: string): readonly (readonly [string, ListStrategy])[] => [
  [list, by('name')],
  ...Object.entries(CONTAINER_LISTS).map(([field, strategy]) => [`${list}.${field}`, strategy] as const),
];

export const LIST_STRATEGIES: Readonly<Record<string, ListStrategy>> = Object.fromEntries([
  ...within('containers'),
  ...within('initContainers'),
  ...within('ephemeralContainers'),
  ['volumes', by('name')],
  ['imagePullSecrets', by('name')],
  ['hostAliases', by('ip')],
  ['topologySpreadConstraints', by('topologyKey')],
  ['schedulingGates', by('name')],
  ['resourceClaims', by('name', 'replaced')],
  ['tolerations', 'append'],
]);

type Mapping = Readonly<Record<string, unknown>>;

/**
 * A PodSpec with a partial one merged over it, as `kubectl patch --type strategic` does: mappings field by field, lists
 * as LIST_STRATEGIES say, null removes a field. A volume with another kind of source takes the place of the old one.
 * Items of the first list keep their order, new ones follow. The directives `$patch` and the like have no meaning.
 */
export function mergePodSpec<Spec extends object>(spec: Spec, overlay: object): Spec {
  return mergeMappings(spec as Mapping, overlay as Mapping, '') as Spec;
}

function mergeMappings(base: Mapping, overlay: Mapping, path: string): Mapping {
  const merged = new Map(Object.entries(base));
  for (const [field, value] of Object.entries(overlay)) {
    const below = path === '' ? field : `${path}.${field}`;
    if (value === null) merged.delete(field);
    else merged.set(field, mergeValues(merged.get(field), value, below));
  }
  return Object.fromEntries(merged);
}

function mergeValues(base: unknown, overlay: unknown, path: string): unknown {
  if (isMapping(base) && isMapping(overlay)) return mergeMappings(base, overlay, path);
  if (Array.isArray(base) && Array.isArray(overlay)) return mergeLists(base, overlay, path);
  // What is added brings its nulls along, which would be errors.
  return isMapping(overlay) ? mergeMappings({}, overlay, path) : overlay;
}

function mergeLists(base: readonly unknown[], overlay: readonly unknown[], path: string): readonly unknown[] {
  const strategy = Object.hasOwn(LIST_STRATEGIES, path) ? LIST_STRATEGIES[path] : undefined;
  if (strategy === undefined) return overlay;
  if (strategy === 'append') return [...base, ...overlay];
  const { key, items } = strategy;
  const merged = [...base];
  for (const item of overlay) {
    const at = merged.findIndex((other) => isMapping(other) && isMapping(item) && sameKey(other[key], item[key]));
    if (at < 0) merged.push(item);
    else merged[at] = items === 'replaced' ? item : mergeItems(merged[at] as Mapping, item as Mapping, path);
  }
  return merged;
}

const sameKey = (one: unknown, other: unknown): boolean => one !== undefined && one === other;

function mergeItems(base: Mapping, overlay: Mapping, path: string): Mapping {
  const replaces = path === 'volumes' && sourceOf(overlay) !== undefined && sourceOf(overlay) !== sourceOf(base);
  return replaces ? overlay : mergeMappings(base, overlay, path);
}

/** The field of a volume that says what it is: the one besides its name. */
const sourceOf = (volume: Mapping): string | undefined => Object.keys(volume).find((field) => field !== 'name');

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
