import type { ForgeAddress } from './address.ts';
import type { CommentStore } from './comment.ts';
import type { Ask, ForgeHttp } from './http.ts';
import type { Comment } from './port.ts';
import { type Reading, reading } from './reading.ts';

/** Requests to the API of a forge, with answers that are read field by field. Throws what {@link ForgeHttp} does, and `NotForge`. */
export interface Calls {
  readonly read: (ask: Ask) => Promise<Reading>;
  /** All items of a list, to its last page. */
  readonly list: (ask: Ask) => Promise<readonly Reading[]>;
}

/** `size`: the part of a query that asks for pages as long as they may be. */
export function callsOf(http: ForgeHttp, { api, project }: ForgeAddress, size: string): Calls {
  const where = `${api} (${project})`;
  return {
    read: async (ask) => reading((await http.send(ask)).value, where),
    list: async ({ path, ...ask }) => {
      const paged = (page: number): string => `${path}${path.includes('?') ? '&' : '?'}${size}&page=${page}`;
      return (await http.list(ask, paged)).map((one) => reading(one, where));
    },
  };
}

/** Where the comments of a pull request are, and what a comment is, on one kind of forge. */
export interface CommentPlaces {
  /** What messages call a pull request: `pull request`. */
  readonly request: string;
  readonly all: (number: number) => string;
  readonly one: (number: number, id: number) => string;
  readonly change: 'PATCH' | 'PUT';
  readonly commentOf: (value: Reading) => Comment;
}

/** How comments are written. */
export function commentsOf(
  { read }: Calls,
  { request, all, one, change, commentOf }: CommentPlaces,
): Pick<CommentStore, 'create' | 'change'> {
  return {
    async create(number, body, signal) {
      const what = `comment on ${request} ${number}`;
      const ask = { method: 'POST', path: all(number), purpose: 'comments', what, body: { body }, signal } as const;
      return commentOf(await read(ask));
    },
    async change(number, id, body, signal) {
      const what = `change a comment on ${request} ${number}`;
      const ask = { method: change, path: one(number, id), purpose: 'comments', what, body: { body }, signal } as const;
      return commentOf(await read(ask));
    },
  };
}
