/** The tests of bin/test-systemd. */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import Totals from '../emulated/totals.ts';

export default defineConfig({
  define: { PINION_VERSION: '"0.0.0-test"', PINION_COMMIT: '"test"' },
  test: {
    root: join(import.meta.dirname, '../..'),
    include: ['test/systemd/**/*.test.ts'],
    fileParallelism: false,
    // The emulator of bin/test-emulated is slow.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    reporters: ['verbose', new Totals()],
  },
});
