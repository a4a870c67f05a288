#!/usr/bin/env node
import { runProgram } from './program.ts';

// A pipe that closes early (`runledger get | head`) is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
}

const { stdin, stdout, stderr, env } = process;
process.exitCode = await runProgram(process.argv.slice(2), { stdin, stdout, stderr, env, cwd: process.cwd() });
