/** A registry of npm packages with keys of its own: as much of it as npm asks for to look at a package and to install it. */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

export interface SigningKey {
  readonly privateKey: KeyObject;
  /** As `/-/npm/v1/keys` lists it. */
  readonly listed: { readonly keyid: string; readonly key: string; expires: string | null };
}

export function makeKey(expires: string | null = null): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = publicKey.export({ format: 'der', type: 'spki' });
  const keyid = `SHA256:${createHash('sha256').update(der).digest('base64').replace(/=+$/, '')}`;
  return { privateKey, listed: { keyid, key: der.toString('base64'), expires } };
}

export const integrityOf = (bytes: Uint8Array): string =>
  `sha512-${createHash('sha512').update(bytes).digest('base64')}`;

/** What the registry says of a release, made by somebody who has the key. */
export const signatureOf = ({ privateKey, listed }: SigningKey, text: string): { keyid: string; sig: string } => ({
  keyid: listed.keyid,
  sig: sign('sha256', Buffer.from(text), privateKey).toString('base64'),
});

export interface Published {
  readonly version: string;
  archive: Uint8Array;
  integrity: string;
  signatures: { keyid: string; sig: string }[];
}

/** Makes the archive of a package whose command prints `says`, in a file of the folder. */
export async function packProgram(folder: string, version: string, says: string = version): Promise<string> {
  const manifest = { name: 'runledger', version, type: 'module', bin: { runledger: 'main.js' } };
  const archive = pack();
  archive.entry({ name: 'package/package.json' }, JSON.stringify(manifest));
  archive.entry(
    { name: 'package/main.js', mode: 0o755 },
    `#!/usr/bin/env node\nconsole.log(${JSON.stringify(says)});\n`,
  );
  archive.finalize();
  const path = join(folder, `runledger-${version}-${says.replaceAll(' ', '-')}.tgz`);
  await writeFile(path, gzipSync(await buffer(archive)));
  return path;
}

export interface NpmRegistry {
  readonly url: string;
  keys: SigningKey['listed'][];
  readonly published: Published;
  close(): Promise<void>;
}

/** Serves one package in one version, signed by the key. */
export async function startNpmRegistry(path: string, version: string, key: SigningKey): Promise<NpmRegistry> {
  const archive = await readFile(path);
  const integrity = integrityOf(archive);
  const signatures = [signatureOf(key, `runledger@${version}:${integrity}`)];
  const published: Published = { version, archive, integrity, signatures };
  const registry = { keys: [key.listed] };
  const server = createServer((request, response) => {
    const json = (status: number, value: unknown): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { pathname } = new URL(request.url ?? '/', url);
    if (pathname === '/-/npm/v1/keys') {
      if (registry.keys.length === 0) return json(404, {});
      return json(200, {
        keys: registry.keys.map((each) => ({ ...each, keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256' })),
      });
    }
    if (pathname.endsWith('.tgz')) return void response.writeHead(200).end(published.archive);
    if (pathname !== '/runledger') return json(404, { error: 'Not found' });
    const dist = {
      tarball: `${url}/runledger/-/runledger-${version}.tgz`,
      integrity: published.integrity,
      signatures: published.signatures,
    };
    const described = { name: 'runledger', version, bin: { runledger: 'main.js' }, dist };
    const time = { created: '2026-01-01T00:00:00.000Z', [version]: '2026-01-02T00:00:00.000Z' };
    json(200, { name: 'runledger', 'dist-tags': { latest: version }, versions: { [version]: described }, time });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(registry, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    published,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
