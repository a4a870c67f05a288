import { usageError } from '../errors.ts';
import type { ArtifactStore, ValueFrom } from '../schemas/index.ts';
import type { Io } from './terminal.ts';

const BUCKET = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/?$/;
const ENDPOINT = /^https?:\/\/[^\s/@]+(\/\S*)?$/;

/** The store of a text and RUNLEDGER_S3_* variables: a folder, or s3://BUCKET. Throws `StoreForm` (usage). */
export function parseStore(text: string, env: Io['env']): ArtifactStore {
  if (!/^[a-z0-9+.-]+:\/\//i.test(text)) return { directory: text };
  const [, bucket] = BUCKET.exec(text) ?? [];
  if (bucket === undefined)
    throw usageError('StoreForm', 'the artifact store is neither a folder nor s3://BUCKET', {
      hint: 'the address of the server goes into RUNLEDGER_S3_ENDPOINT',
    });
  const region = env['RUNLEDGER_S3_REGION'] || 'us-east-1';
  const endpoint = env['RUNLEDGER_S3_ENDPOINT'] || `https://s3.${region}.amazonaws.com`;
  if (!ENDPOINT.test(endpoint))
    throw usageError('StoreForm', 'RUNLEDGER_S3_ENDPOINT is not an http or https address', {
      hint: 'write https://s3.example.com, without a user or password',
    });
  const accessKeyIdFrom = valueFrom('RUNLEDGER_S3_ACCESS_KEY_ID', env);
  const secretAccessKeyFrom = valueFrom('RUNLEDGER_S3_SECRET_ACCESS_KEY', env);
  const auth = accessKeyIdFrom && secretAccessKeyFrom && { accessKeyIdFrom, secretAccessKeyFrom };
  return { s3: { endpoint, bucket, region, ...(auth ? { auth } : {}) } };
}

/** Where a credential lies: in a variable, or in the file that the variable with _FILE names. */
function valueFrom(name: string, env: Io['env']): ValueFrom | undefined {
  const file = env[`${name}_FILE`];
  if (file) return { file };
  return env[name] ? { env: name } : undefined;
}
