import { runChecks } from './checks.ts';

const { passed, failed } = runChecks();
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
