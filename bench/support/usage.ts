/**
 * Preloaded into a measured process: writes its largest resident set (bytes) and the time that processors spent on it (ms) as JSON
 * to the file that USAGE_FILE names.
 */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const file = process.env['USAGE_FILE'];
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  if (file) writeFileSync(file, JSON.stringify({ bytes: maxRSS * 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000 }));
});
