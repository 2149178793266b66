#!/usr/bin/env node
// oclif's entry, for people and for oclif's own tools. Engines use bin/pinion.
import { execute } from '@oclif/core';

await execute({ dir: import.meta.url });
