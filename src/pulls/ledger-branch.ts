/** The branch that outcomes of a pull request go to: never the ledger of the branches. */
export const pullRequestLedger = (number: number): string => `runledger/pr/${number}`;
