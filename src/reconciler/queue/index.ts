export { decideQueue } from './decide.ts';
export { describeReplaced, describeSkipped, describeTimedOut, describeWait, describeWaiting } from './describe.ts';
export type * from './model.ts';
export { PATIENCE_MS, PRIORITY_STEP_MS } from './order.ts';
