/** What a gate is told. Times are whole seconds. */
export interface GateSettings {
  readonly step: string;
  /** Counts from 1. */
  readonly position: number;
  readonly gates: number;
  /** Null for a step proper; else when this step of `finally` runs. */
  readonly when: 'always' | 'onSuccess' | 'onFailure' | null;
  /** The step's own time-out; null for none. */
  readonly timeoutS: number | null;
  readonly runTimeoutS: number;
  /** All steps of `finally` together. */
  readonly finallyTimeoutS: number;
  readonly graceS: number;
  /** Exit codes besides 0 that are no failure; they end the run all the same. */
  readonly notFailures: readonly number[];
  /** Where the command starts. */
  readonly directory: string;
  /** The folder that all gates of the pod share. */
  readonly state: string;
  readonly busybox: string;
  /** Where the report goes. */
  readonly report: string;
  /** The umask of the command; the container's own where it is left out. */
  readonly umask?: string;
}

/** The arguments of the gate script, up to those of the command. */
export function gateArguments(settings: GateSettings): readonly string[] {
  const { when, timeoutS, umask } = settings;
  return [
    `step=${settings.step}`,
    `position=${settings.position}`,
    `gates=${settings.gates}`,
    ...(when === null ? [] : [`when=${when}`]),
    ...(timeoutS === null ? [] : [`timeout=${timeoutS}`]),
    `run-timeout=${settings.runTimeoutS}`,
    `finally-timeout=${settings.finallyTimeoutS}`,
    `grace=${settings.graceS}`,
    `fine=${settings.notFailures.join(' ')}`,
    ...(umask === undefined ? [] : [`umask=${umask}`]),
    `directory=${settings.directory}`,
    `state=${settings.state}`,
    `busybox=${settings.busybox}`,
    `report=${settings.report}`,
    '--',
  ];
}
