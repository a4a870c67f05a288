/** A git server in a process of its own, so that its work is not on the event loop that is measured. Argument: the folder. */
import { startGitServer } from '../../test/support/git-server.ts';

const server = await startGitServer({ root: process.argv[2]! });
process.send?.(server.url);
process.on('disconnect', () => void server.close().then(() => process.exit(0)));
