/** The suites of bin/test-emulated, with the patience that an emulated processor needs. */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import Totals from './totals.ts';

export default defineConfig({
  define: { PINION_VERSION: '"0.0.0-test"', PINION_COMMIT: '"test"' },
  test: {
    root: join(import.meta.dirname, '../..'),
    include: [
      'test/emulated/**/*.test.ts',
      'test/guest/**/*.test.ts',
      'test/cli/lifecycle/**/*.test.ts',
      'test/oci/plan/cgroups/kernel.test.ts',
      'test/oci/lifecycle/cgroup.test.ts',
    ],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 30_000 } },
    reporters: ['verbose', new Totals()],
  },
});
