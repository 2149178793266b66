/** Runs a program to its end. */
import { spawn } from 'node:child_process';
import type { Outcome } from './compare.ts';

/** @param late Called after `timeout` ms: it has to end the program. */
export function execute(
  program: string,
  args: readonly string[],
  timeout: number,
  late: () => void,
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH, ...env },
      stdio: 'pipe',
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    child.stdin.end();
    const timer = setTimeout(late, timeout);
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(timer);
      const seconds = (performance.now() - start) / 1000;
      const tooLate = seconds * 1000 > timeout;
      resolve({ status: tooLate ? undefined : (status ?? undefined), ...output, seconds });
    });
  });
}
