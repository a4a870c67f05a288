import { createHash, createPublicKey, verify } from 'node:crypto';
import { terminalError } from '../../errors.ts';

/** A published version as a registry describes it. */
export interface Release {
  readonly name: string;
  readonly version: string;
  /** Subresource integrity of its archive: `sha512-…`. */
  readonly integrity: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
  /** When it was published, RFC 3339; undefined where the registry does not say. */
  readonly published?: string;
}

/** A key of a registry, as `/-/npm/v1/keys` lists it. */
export interface RegistryKey {
  readonly keyid: string;
  /** A SubjectPublicKeyInfo in DER, base64. */
  readonly key: string;
  /** Versions published later are not signed with it; null: it is in use. */
  readonly expires: string | null;
}

const fault = (release: Release, code: string, why: string): Error =>
  terminalError(code, `${release.name}@${release.version}: ${why}`, {
    hint: 'nothing was changed; if the registry is a mirror, ask who runs it, and compare with `npm audit signatures`',
  });

/**
 * Checks that the registry has signed this release: ECDSA over `<name>@<version>:<integrity>` with SHA-256
 * (https://docs.npmjs.com/about-registry-signatures). One signature by a key that was valid at the time is enough, and none may be wrong.
 * Throws `SignatureMissing`, `SignatureKeyUnknown`, `SignatureKeyExpired`, `SignatureWrong` (all terminal).
 */
export function assertSigned(release: Release, keys: readonly RegistryKey[]): void {
  const { name, version, integrity, signatures, published } = release;
  if (signatures.length === 0) throw fault(release, 'SignatureMissing', 'the registry has not signed it');
  const message = Buffer.from(`${name}@${version}:${integrity}`);
  for (const { keyid, sig } of signatures) {
    const found = keys.find((key) => key.keyid === keyid);
    if (!found)
      throw fault(release, 'SignatureKeyUnknown', `it is signed with a key that the registry does not list: ${keyid}`);
    if (found.expires !== null && !(Date.parse(published ?? '') < Date.parse(found.expires)))
      throw fault(release, 'SignatureKeyExpired', `it is signed with a key that had expired on ${found.expires}`);
    if (!isBy(found, message, sig)) throw fault(release, 'SignatureWrong', 'its signature is not that of the registry');
  }
}

function isBy({ key }: RegistryKey, message: Uint8Array, sig: string): boolean {
  try {
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
    return publicKey.asymmetricKeyType === 'ec' && verify('sha256', message, publicKey, Buffer.from(sig, 'base64'));
  } catch {
    return false;
  }
}

/** Checks that these are the bytes that the signature is about. Throws `IntegrityWrong` (terminal), also for anything but SHA-512. */
export function assertIntact(release: Release, archive: Uint8Array): void {
  const found = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
  if (found !== release.integrity)
    throw fault(release, 'IntegrityWrong', `the archive has the digest ${found}, and not ${release.integrity}`);
}
