import type { Lane } from './lane.ts';

/** How old what the cache says is, in milliseconds. */
const OLD_MS = 6_000;
const SAMPLE_MS = 500;

/**
 * Makes the API server behind the proxy one with a cache that lags behind: lists are as of some seconds ago, and watch
 * events come as late. Reads of single objects and writes are not touched. Returns how to end it.
 */
export async function serveOldLists({ cluster, namespace, proxy }: Lane): Promise<() => void> {
  const versions: { readonly at: number; readonly version: string }[] = [];
  const ending = new AbortController();
  const sample = async (): Promise<void> => {
    const answer = (await cluster.request({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/configmaps`,
      query: { limit: 1 },
      doing: 'asking for the newest version',
      repeat: 'safe',
      signal: ending.signal,
    })) as { readonly metadata: { readonly resourceVersion: string } };
    versions.push({ at: performance.now(), version: answer.metadata.resourceVersion });
  };
  await sample();
  const timer = setInterval(() => void sample().catch(() => undefined), SAMPLE_MS);
  const oldVersion = (): string => {
    const until = performance.now() - OLD_MS;
    return (versions.findLast(({ at }) => at <= until) ?? versions[0])?.version ?? '';
  };
  proxy.fault = (method, url) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    if (method !== 'GET' || !/\/namespaces\/[^/]+\/(pods|configmaps)$/.test(pathname)) return undefined;
    if (searchParams.get('watch') === 'true') return { kind: 'stale', url, ms: OLD_MS };
    if (searchParams.has('continue')) return undefined;
    searchParams.set('resourceVersion', oldVersion());
    searchParams.set('resourceVersionMatch', 'Exact');
    return { kind: 'stale', url: `${pathname}?${searchParams.toString()}`, ms: 0 };
  };
  return () => {
    clearInterval(timer);
    ending.abort();
    proxy.fault = () => undefined;
  };
}
