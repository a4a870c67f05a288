import { terminalError } from '../errors.ts';
import { notGit } from './http-errors.ts';
import { decodePackets, packetText } from './pkt-line.ts';

/** What a server says about its refs in answer to `info/refs`. */
export interface Advertisement {
  /** Commit ids (or tags') by full ref name; HEAD is among them unless it is unborn. */
  readonly refs: ReadonlyMap<string, string>;
  /** The branch that the server's HEAD names, without `refs/heads/`; null when it does not say. */
  readonly defaultBranch: string | null;
  readonly capabilities: ReadonlySet<string>;
}

const HEADS = 'refs/heads/';

/** The names of the branches, without `refs/heads/`. */
export const branchNames = ({ refs }: Advertisement): readonly string[] =>
  [...refs.keys()].flatMap((ref) => (ref.startsWith(HEADS) ? [ref.slice(HEADS.length)] : []));

/** A branch's newest commit; null when there is no such branch. */
export const branchTip = ({ refs }: Advertisement, branch: string): string | null => refs.get(HEADS + branch) ?? null;

/** HEAD's branch from the capability, or the only branch (or `main`, `master`) at HEAD's commit, for servers that do not say. */
function defaultBranchOf(refs: ReadonlyMap<string, string>, capabilities: ReadonlySet<string>): string | null {
  for (const capability of capabilities) {
    const found = /^symref=HEAD:refs\/heads\/(.+)$/.exec(capability);
    if (found) return found[1]!;
  }
  const head = refs.get('HEAD');
  const names = [...refs].flatMap(([ref, id]) =>
    id === head && ref.startsWith(HEADS) ? [ref.slice(HEADS.length)] : [],
  );
  return ['main', 'master'].find((name) => names.includes(name)) ?? names[0] ?? null;
}

/** Reads an advertisement of protocol version 0 or 1: gitprotocol-pack(5). Throws `NotGit`, `RemoteRefused`, `RepositoryUnsupported`. */
export function parseAdvertisement(bytes: Buffer, url: string): Advertisement {
  const { packets, complete } = decodePackets(bytes);
  if (!complete || packets.at(-1) !== 'flush') throw notGit(url, 'its list of refs is cut off');
  const refs = new Map<string, string>();
  let capabilities: ReadonlySet<string> | undefined;
  for (const packet of packets) {
    if (typeof packet === 'string') continue;
    const text = packetText(packet);
    if (text.startsWith('ERR ')) throw terminalError('RemoteRefused', `${url} refuses: ${text.slice(4)}`);
    if (text.startsWith('# service=') || text.startsWith('version ') || text.startsWith('shallow ')) continue;
    const [line = '', list] = text.split('\0');
    capabilities ??= new Set((list ?? '').split(' ').filter((word) => word !== ''));
    const found = /^([0-9a-f]{40,64}) (\S+)$/.exec(line);
    if (!found) throw notGit(url, 'its list of refs is not readable');
    if (found[1]!.length !== 40) {
      throw terminalError('RepositoryUnsupported', `${url} has SHA-256 object ids, which this version cannot read`);
    }
    if (found[2] !== 'capabilities^{}') refs.set(found[2]!, found[1]!);
  }
  return {
    refs,
    capabilities: capabilities ?? new Set(),
    defaultBranch: defaultBranchOf(refs, capabilities ?? new Set()),
  };
}
