// test-timeout: 300s
import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createS3Store, type S3StoreOptions } from '../../src/artifacts/s3-store.ts';
import { type CodedError, isCoded } from '../../src/errors.ts';
import { rejection, streamOf } from '../support/artifacts.ts';
import { findS3Program, startS3Server } from '../support/s3-server.ts';
import { digestOf, storeContract } from './store-contract.ts';

const { signal } = new AbortController();
const MIB = 1024 ** 2;
const KEY = 'a/b/1/default/1.tar.zst';

const program = findS3Program();
if (program !== undefined) {
  const server = await startS3Server(program);
  // S3 takes no smaller parts.
  const store = createS3Store({ ...server, partBytes: 5 * MIB });
  const withoutRights = (credentials: S3StoreOptions['credentials']): S3StoreOptions => {
    const { endpoint, bucket } = server;
    return { endpoint, bucket, ...(credentials ? { credentials } : {}) };
  };

  const contract = suite('a store in a real bucket');
  contract.after(async () => {
    store.close();
    await server.stop();
  });
  storeContract(contract, () => store, [0, 1, 5 * MIB, 5 * MIB + 1, 17 * MIB]);

  contract('no upload is left half done', async () => {
    const { ListMultipartUploadsCommand, S3Client } = await import('@aws-sdk/client-s3');
    const client = new S3Client({ ...server, region: 'us-east-1', forcePathStyle: true });
    const { Uploads: uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
    assert.equal(uploads, []);
    client.destroy();
  });

  contract('an object that was changed behind the bucket is damaged', async () => {
    const digest = await store.put(KEY, streamOf(Buffer.from('content')), signal);
    await writeFile(path.join(server.folder, KEY), 'CONTENT');
    const error = await rejection(store.get(KEY, digest, signal).then((stream) => buffer(stream)));
    assert.ok(isCoded(error, 'ArtifactDamaged'), String(error));
  });

  contract('wrong keys, no keys and a wrong bucket are sentences without a credential', async () => {
    const cases: readonly (readonly [S3StoreOptions, string])[] = [
      [withoutRights({ ...server.credentials, secretAccessKey: 'WRONGSECRET' }), 'StoreDenied'],
      [withoutRights({ accessKeyId: 'WRONGKEYID', secretAccessKey: 'WRONGSECRET' }), 'StoreDenied'],
      [withoutRights(undefined), 'StoreDenied'],
      [{ ...server, bucket: 'no-such-bucket' }, 'StoreMissing'],
    ];
    for (const [options, code] of cases) {
      const other = createS3Store(options);
      const error = await rejection(other.put(KEY, streamOf(Buffer.from('x')), signal));
      assert.ok(isCoded(error, code), String(error));
      assert.not(/WRONG|TESTKEYID|secret\+key/.test(`${error.message} ${error.hint}`), error.message);
      assert.ok(error.message.includes(options.bucket), error.message);
      other.close();
    }
  });

  contract('a hundred runs are listed over several pages', async () => {
    const bytes = Buffer.from('x');
    for (let run = 1; run <= 30; run += 1) await store.put(`pages/b/${run}/default/1.log`, streamOf(bytes), signal);
    let found = 0;
    for await (const { bytes: size } of store.list('pages/b/', signal)) found += size;
    assert.is(found, 30);
  });

  contract.run();
}

/** A server that answers as it likes. */
async function against(listener: RequestListener, work: (options: S3StoreOptions) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await work({ endpoint: `http://127.0.0.1:${port}`, bucket: 'bucket', credentials: KEYS });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const KEYS = { accessKeyId: 'SECRETKEYID', secretAccessKey: 'SECRETKEY' };

const putError = async (options: S3StoreOptions): Promise<CodedError> => {
  const store = createS3Store(options);
  const error = await rejection(store.put(KEY, streamOf(Buffer.from('x')), signal));
  store.close();
  assert.ok(isCoded(error), String(error));
  return error;
};

const faults = suite('servers that fail');

faults('what a server says gets into no message, only its code', async () => {
  const body = '<Error><Code>InvalidAccessKeyId</Code><Message>no key SECRETKEYID in our records</Message></Error>';
  await against(
    (_request, response) => response.writeHead(403, { 'content-type': 'application/xml' }).end(body),
    async (options) => {
      const error = await putError(options);
      assert.is(error.code, 'StoreDenied');
      assert.is(
        error.message,
        `writing to the bucket bucket at ${options.endpoint}: the server refuses it (403 InvalidAccessKeyId)`,
      );
    },
  );
});

faults('an error that comes back after retries, or no server at all, is worth another try later', async () => {
  let asked = 0;
  await against(
    (_request, response) => {
      asked += 1;
      response.writeHead(503).end();
    },
    async (options) => assert.is((await putError(options)).code, 'StoreUnavailable'),
  );
  assert.ok(asked > 1, `asked ${asked} times`);
  const error = await putError({ endpoint: 'http://127.0.0.1:1', bucket: 'bucket', credentials: KEYS });
  assert.is(error.code, 'StoreUnavailable');
  assert.is(error.errorClass, 'transient');
  assert.match(error.message, /ECONNREFUSED/);
});

faults('a server that does not answer is given up', async () => {
  await against(
    () => undefined,
    async (options) => assert.is((await putError({ ...options, callLimitMs: 300 })).code, 'StoreUnavailable'),
  );
});

faults('a download that stops in its middle is given up, cut off or silent', async () => {
  for (const cut of [true, false]) {
    await against(
      (_request, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('x'.repeat(500), () => (cut ? response.destroy() : undefined));
      },
      async (options) => {
        const store = createS3Store({ ...options, idleLimitMs: 300 });
        const expected = { ...digestOf(Buffer.alloc(1_000, 'x')) };
        const error = await rejection(store.get(KEY, expected, signal).then((stream) => buffer(stream)));
        assert.ok(isCoded(error, 'StoreUnavailable'), String(error));
        store.close();
      },
    );
  }
});

faults('a download ends with the abort', async () => {
  await against(
    (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('x'.repeat(500));
    },
    async (options) => {
      const stop = new AbortController();
      const store = createS3Store(options);
      const stream = await store.get(KEY, digestOf(Buffer.alloc(1_000, 'x')), stop.signal);
      stream.once('data', () => stop.abort());
      assert.ok(isCoded(await rejection(buffer(stream)), 'Cancelled'));
      store.close();
    },
  );
});

faults('a multipart upload that fails is aborted, and nothing of it is completed', async () => {
  const requests: string[] = [];
  await against(
    (request, response) => {
      const { method = '', url = '' } = request;
      const { searchParams } = new URL(url, 'http://server');
      requests.push(`${method} ${[...searchParams.keys()].filter((key) => key !== 'x-id').join(' ')}`);
      request.resume();
      request.once('end', () => {
        if (method === 'POST' && searchParams.has('uploads'))
          response.end('<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>');
        else if (searchParams.get('partNumber') === '2') response.writeHead(400).end();
        else response.writeHead(200, { etag: '"tag"' }).end();
      });
    },
    async (options) => {
      const store = createS3Store({ ...options, partBytes: 5 * MIB });
      const error = await rejection(store.put(KEY, streamOf(randomBytes(12 * MIB)), signal));
      assert.ok(isCoded(error, 'StoreRefused'), String(error));
      store.close();
    },
  );
  assert.equal(requests, ['POST uploads', 'PUT partNumber uploadId', 'PUT partNumber uploadId', 'DELETE uploadId']);
});

faults('an upload whose object is not there afterwards has failed', async () => {
  await against(
    (request, response) => {
      request.resume();
      response.writeHead(200, request.method === 'HEAD' ? { 'content-length': '5' } : {}).end();
    },
    async (options) => {
      const error = await putError(options);
      assert.is(error.code, 'StoreUnavailable');
      assert.match(error.message, /has 5 of the 1 bytes/);
    },
  );
});

faults('requests without credentials are not signed', async () => {
  const seen: (string | undefined)[] = [];
  await against(
    (request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(404).end();
    },
    async ({ endpoint, bucket }) => {
      const store = createS3Store({ endpoint, bucket });
      assert.is(await store.exists(KEY, signal), false);
      store.close();
    },
  );
  assert.equal(seen, [undefined]);
});

faults('a source that never comes ends with the abort, and is let go', async () => {
  const stop = new AbortController();
  const source = new PassThrough();
  const store = createS3Store({ endpoint: 'http://127.0.0.1:1', bucket: 'bucket', credentials: KEYS });
  const putting = rejection(store.put(KEY, source, stop.signal));
  stop.abort();
  assert.ok(isCoded(await putting, 'Cancelled'));
  assert.is(source.destroyed, true);
  store.close();
});

faults.run();
