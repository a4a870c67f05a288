import { isCoded } from '../errors.ts';
import type { Comment, Forge } from './port.ts';

/** What keeping a comment up to date needs of a forge. */
export interface CommentStore extends Pick<Forge, 'comments' | 'permissionOf'> {
  /** The login of the token's user. */
  self(signal: AbortSignal): Promise<string>;
  create(number: number, body: string, signal: AbortSignal): Promise<Comment>;
  change(number: number, id: number, body: string, signal: AbortSignal): Promise<Comment>;
}

/** The login behind the token; null: the token may not ask for it, as that of a workflow. */
async function ownLogin(store: CommentStore, signal: AbortSignal): Promise<string | null> {
  try {
    return await store.self(signal);
  } catch (error) {
    if (isCoded(error, 'ForgeForbidden') || isCoded(error, 'ForgeNotFound')) return null;
    throw error;
  }
}

/**
 * Whether a comment with our marker is ours. Anybody can write one; if it were changed in its author's name, they could change it
 * again. Without a login of our own to compare with, a bot's is taken for ours, or that of somebody who may write anyway.
 */
async function isOurs(
  comment: Comment,
  own: string | null,
  store: CommentStore,
  signal: AbortSignal,
): Promise<boolean> {
  if (own !== null) return comment.author === own;
  if (comment.isBot) return true;
  try {
    return (await store.permissionOf(comment.author, signal)) === 'write';
  } catch (error) {
    if (isCoded(error, 'ForgeForbidden')) return false;
    throw error;
  }
}

/** {@link Forge.upsertComment} on top of the calls that forges have. */
export function createUpsert(store: CommentStore): Forge['upsertComment'] {
  return async (number, marker, body, signal) => {
    if (!body.startsWith(marker)) throw new TypeError('the body of a comment begins with its marker');
    const marked = (await store.comments(number, signal)).filter((comment) => comment.body.startsWith(marker));
    const own = marked.length === 0 ? null : await ownLogin(store, signal);
    for (const comment of marked) {
      if (!(await isOurs(comment, own, store, signal))) continue;
      return comment.body === body ? comment : store.change(number, comment.id, body, signal);
    }
    return store.create(number, body, signal);
  };
}
