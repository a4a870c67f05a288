/** A registry of container images with a password: the reading half of the OCI distribution API, version 1.1. */
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { basicAuth } from './git-server.ts';

export interface Registry {
  /** `127.0.0.1:PORT`: over http, which runtimes take from this address alone. */
  readonly host: string;
  /** Method, path and status of every request. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export interface RegistryOptions {
  readonly user: string;
  readonly password: string;
  /** Of the image: `amd64`. */
  readonly architecture: string;
}

interface Blob {
  readonly type: string;
  readonly bytes: Buffer;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const described = ({ type, bytes }: Blob): object => ({ mediaType: type, digest: digestOf(bytes), size: bytes.length });
const json = (type: string, value: object): Blob => ({ type, bytes: Buffer.from(JSON.stringify(value)) });

/** An image without a single file, and unlike every other. */
function emptyImage(architecture: string): { readonly manifest: Blob; readonly blobs: readonly Blob[] } {
  const tar = Buffer.alloc(1024);
  const layer: Blob = { type: LAYER, bytes: gzipSync(tar) };
  const config = json(CONFIG, {
    architecture,
    os: 'linux',
    config: { Labels: { test: randomUUID() } },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  });
  const manifest = json(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: described(config),
    layers: [described(layer)],
  });
  return { manifest, blobs: [manifest, layer, config] };
}

/** Serves one empty image under every name and tag, to whoever knows the password. */
export async function startRegistry({ user, password, architecture }: RegistryOptions): Promise<Registry> {
  const { manifest, blobs } = emptyImage(architecture);
  const byDigest = new Map(blobs.map((blob) => [digestOf(blob.bytes), blob]));
  const requests: string[] = [];

  const answer = (path: string, authorization: string | undefined): readonly [status: number, blob: Blob] => {
    const fault = (status: number, code: string, message: string): readonly [number, Blob] => [
      status,
      json('application/json', { errors: [{ code, message }] }),
    ];
    if (authorization !== basicAuth(user, password)) return fault(401, 'UNAUTHORIZED', 'who are you?');
    if (/^\/v2\/?$/.test(path)) return [200, json('application/json', {})];
    const [, kind, reference = ''] = /^\/v2\/.+\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const blob = byDigest.get(reference) ?? (kind === 'manifests' ? manifest : undefined);
    return blob ? [200, blob] : fault(404, 'NOT_FOUND', 'there is no such thing');
  };

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://registry');
    const [status, { type, bytes }] = answer(pathname, request.headers.authorization);
    requests.push(`${request.method} ${pathname} ${status}`);
    response.writeHead(status, {
      'content-type': type,
      'content-length': bytes.length,
      'docker-distribution-api-version': 'registry/2.0',
      ...(status === 200 ? { 'docker-content-digest': digestOf(bytes) } : {}),
      ...(status === 401 ? { 'www-authenticate': 'Basic realm="registry"' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a Secret of type `kubernetes.io/dockerconfigjson` holds. */
export const dockerConfig = (host: string, username: string, password: string): Readonly<Record<string, string>> => {
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const config = JSON.stringify({ auths: { [host]: { username, password, auth } } });
  return { '.dockerconfigjson': Buffer.from(config).toString('base64') };
};
