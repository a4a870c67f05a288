import { createHmac, timingSafeEqual } from 'node:crypto';

/** Header names in lower case, as Node gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What became of a webhook's proof that it comes from the forge. */
export type WebhookVerdict = 'accepted' | 'unsigned' | 'wrongSignature';

/**
 * Judges a webhook by the secret that it shares with us, `hmac` being the HMAC-SHA-256 of its body under that secret, in hex.
 * GitHub (X-Hub-Signature-256) and Gitea (X-Gitea-Signature, and GitHub's) sign the body; GitLab sends the secret itself
 * (X-Gitlab-Token). Every header that is there has to be right.
 */
export function judgeWebhook(headers: Headers, hmac: string, secret: string): WebhookVerdict {
  const wanted: Readonly<Record<(typeof PROOFS)[number], string>> = {
    'x-hub-signature-256': `sha256=${hmac}`,
    'x-gitea-signature': hmac,
    'x-gitlab-token': secret,
  };
  const given = PROOFS.filter((name) => valueOf(headers, name) !== '');
  if (given.length === 0) return 'unsigned';
  return given.every((name) => sameText(valueOf(headers, name), wanted[name])) ? 'accepted' : 'wrongSignature';
}

const PROOFS = ['x-hub-signature-256', 'x-gitea-signature', 'x-gitlab-token'] as const;

/** Whether it has any proof at all, right or wrong: without one its body need not be read. */
export const isSigned = (headers: Headers): boolean => PROOFS.some((name) => valueOf(headers, name) !== '');

function valueOf(headers: Headers, name: string): string {
  const value = headers[name];
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}

/** Takes as long for a wrong text as for a nearly right one. */
function sameText(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHmac('sha256', 'compare').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
