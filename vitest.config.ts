import { defineConfig } from 'vitest/config';

/** Tests that start containers: they need the built tree, root and /dev/kvm. */
const INTEGRATION = ['test/cli/**/*.test.ts', 'test/guest/**/*.test.ts'];

export default defineConfig({
  define: { PINION_VERSION: '"0.0.0-test"', PINION_COMMIT: '"test"' },
  test: {
    // On a busy machine a container takes seconds to start.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...INTEGRATION, 'test/emulated/**', 'test/systemd/**'],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: INTEGRATION,
          // Each container takes a core: files one after the other.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
