import { type CodedError, terminalError, transientError } from '../errors.ts';

interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** `NotFound` is what the client makes of an answer without a body. */
const MISSING_KEY = /^(NoSuchKey|NotFound)$/;
/** Codes that speak of whoever asks; not every server sends them with 401 or 403. */
const DENIED = /^(InvalidAccessKeyId|SignatureDoesNotMatch|\w*UserNotFound)$/;

/**
 * What an S3 client failed with, as a sentence. A server's own message never gets in: those of some tell the key id or
 * repeat headers. `what` says what was tried and where.
 */
export function s3Error(error: unknown, what: string, key?: string): CodedError {
  const { name, code, $metadata } = (error ?? {}) as SdkError;
  const status = $metadata?.httpStatusCode;
  const word = [name === 'Error' || name === undefined ? code : name, code].find((text) =>
    /^\w{1,64}$/.test(text ?? ''),
  );
  const why = [status, word].filter((part) => part !== undefined).join(' ') || 'no answer';
  if (word === 'NoSuchBucket')
    return terminalError('StoreMissing', `${what}: there is no such bucket`, { hint: 'make it, or correct its name' });
  if (status === 404 && key !== undefined && MISSING_KEY.test(word ?? ''))
    return terminalError('ArtifactMissing', `${what}: ${key} is not there`, {
      hint: 'it may be older than keep.artifacts of its job',
    });
  if (status === 401 || status === 403 || DENIED.test(word ?? ''))
    return terminalError('StoreDenied', `${what}: the server refuses it (${why})`, {
      hint: 'see the credentials, the region and what they may do with the bucket',
    });
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429)
    return terminalError('StoreRefused', `${what}: the server takes it for wrong (${why})`, {
      hint: 'see the address, the region and the name of the bucket',
    });
  return transientError('StoreUnavailable', `${what}: it can't be reached (${why})`, {
    hint: 'see whether its address is right and the server is up',
  });
}
