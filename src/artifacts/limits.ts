/** Bounds on what an archive holds: when it is made, and again when one of unknown origin is read. */
export interface ArtifactLimits {
  /** Files, links and folders, each; folders that are only part of a path count too. */
  readonly maxEntries: number;
  /** Bytes of all files together, unpacked. */
  readonly maxBytes: number;
  /** How many times its packed size an archive may unpack to, counted once it has unpacked to `ratioFromBytes`. */
  readonly maxRatio: number;
  readonly ratioFromBytes: number;
}

const MIB = 1024 ** 2;

export const DEFAULT_LIMITS: ArtifactLimits = {
  maxEntries: 10_000,
  maxBytes: 5 * 1024 * MIB,
  maxRatio: 1_000,
  ratioFromBytes: 1024 * MIB,
};

/** The most that headers, padding and long names of an archive within the limits take. */
export const overheadOf = ({ maxEntries }: ArtifactLimits): number => maxEntries * 8 * 1024 + MIB;
