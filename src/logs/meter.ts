/** Counts what passes through the log pipeline. */
export interface LogMeter {
  /** So many bytes of output came in. */
  read(bytes: number): void;
  /** A secret was masked. */
  masked(): void;
}
