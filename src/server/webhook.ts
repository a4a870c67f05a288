import { createHmac, timingSafeEqual } from 'node:crypto';

/** Header names in lower case, as Node gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What became of a webhook's proof that it comes from the forge. */
export type WebhookVerdict = 'accepted' | 'unsigned' | 'wrongSignature';

/**
 * Judges a webhook by the secret that it shares with us. GitHub (X-Hub-Signature-256) and Gitea (X-Gitea-Signature, and
 * GitHub's) sign the body with HMAC-SHA-256; GitLab sends the secret itself (X-Gitlab-Token). Every header that is
 * there has to be right.
 */
export function judgeWebhook(headers: Headers, body: Uint8Array, secret: string): WebhookVerdict {
  const hmac = createHmac('sha256', secret).update(body).digest('hex');
  const proofs: readonly (readonly [string | undefined, string])[] = [
    [single(headers['x-hub-signature-256']), `sha256=${hmac}`],
    [single(headers['x-gitea-signature']), hmac],
    [single(headers['x-gitlab-token']), secret],
  ];
  const given = proofs.filter(([value]) => value !== undefined && value !== '');
  if (given.length === 0) return 'unsigned';
  return given.every(([value, wanted]) => sameText(value ?? '', wanted)) ? 'accepted' : 'wrongSignature';
}

const single = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.[0];

/** Takes as long for a wrong text as for a nearly right one. */
function sameText(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHmac('sha256', 'compare').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
