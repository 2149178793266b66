/** Boots a microVM with the smallest program there is, which ends with a status of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import type { Finding } from './index.ts';

const SUBJECT = 'microVM';
const STATUS = 42;
/** ms; a machine takes a few. */
const PATIENCE = 10_000;
const ADDRESS = 0x40_0000n;

export function checkBoot({ monitor, kernel }: Context): Finding {
  const missing = [monitor, kernel].find((path) => !existsSync(path));
  if (missing !== undefined) {
    return { state: 'bad', subject: SUBJECT, text: `${missing} does not exist: run bin/setup` };
  }
  const directory = mkdtempSync(join(tmpdir(), 'pinion-doctor-'));
  try {
    const program = join(directory, 'program');
    writeFileSync(program, smallestProgram(), { mode: 0o755 });
    const start = performance.now();
    const { status, signal, stderr, error } = spawnSync(
      monitor,
      ['guest', '--kernel', kernel, program],
      { env: {}, encoding: 'utf8', timeout: PATIENCE, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const ms = (performance.now() - start).toFixed(0);
    if (status === STATUS) {
      return {
        state: 'good',
        subject: SUBJECT,
        text: `boots, runs a program and ends in ${ms} ms`,
      };
    }
    const said = error?.message ?? stderr.trim().split('\n').at(-1);
    const why = said || `it ended with ${signal ?? `status ${status}`}, not ${STATUS}`;
    return { state: 'bad', subject: SUBJECT, text: `does not boot: ${why}` };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A static executable (elf(5)): one header, one segment, and exit(2). */
function smallestProgram(): Buffer {
  const code = Buffer.from([
    ...[0xbf, STATUS, 0, 0, 0], // mov edi, STATUS
    ...[0xb8, 60, 0, 0, 0], // mov eax, exit
    ...[0x0f, 0x05], // syscall
  ]);
  const headers = 64 + 56;
  const bytes = BigInt(headers + code.length);
  const file = Buffer.alloc(headers);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(62, 18); // EM_X86_64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(ADDRESS + BigInt(headers), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(ADDRESS, 80);
  file.writeBigUInt64LE(ADDRESS, 88);
  file.writeBigUInt64LE(bytes, 96);
  file.writeBigUInt64LE(bytes, 104);
  file.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([file, code]);
}
