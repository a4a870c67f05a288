/** What a request to the API server is, in the API's own words; both have few values, whatever is asked for. */
export interface CallKind {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'patch' | 'delete' | 'deletecollection';
  /** `pods`, `pods/log`, …; `other` for a path that is none of the resource API. */
  readonly resource: string;
}

/** Told of every try of a request: `code` is the HTTP status, `error` where no answer came, `cancelled` where none was waited for. */
export type CallMeter = (call: CallKind & { readonly code: string }, seconds: number) => void;

interface Asked {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
}

/** Reads the verb and the resource off a request, by the API's paths (Kubernetes API concepts, "Resource URIs"). */
export function callKind({ method, path, query }: Asked): CallKind {
  const parts = path.split('/').filter((part) => part !== '');
  const root = parts[0] === 'api' ? 2 : parts[0] === 'apis' ? 3 : parts.length;
  const rest = parts.slice(root);
  // The collection of namespaces has their objects below it.
  const [resource = 'other', name, sub] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  return { verb: verbOf(method, name, query), resource: sub === undefined ? resource : `${resource}/${sub}` };
}

function verbOf(method: Asked['method'], name: string | undefined, query: Asked['query']): CallKind['verb'] {
  if (method === 'POST') return 'create';
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE') return name === undefined ? 'deletecollection' : 'delete';
  if (query?.['watch'] !== undefined) return 'watch';
  return name === undefined ? 'list' : 'get';
}
