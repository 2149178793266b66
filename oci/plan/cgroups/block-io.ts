/** config-linux.md#block-io: weights and rates of block devices. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Resources, ThrottleDevice } from '../../spec/index.ts';
import { toUint32 } from '../integers.ts';
import type { Limit, Write, Writes } from './limits.ts';

type BlockIo = NonNullable<Resources['blockIO']>;
type Numbers = Pick<ThrottleDevice, 'major' | 'minor'>;

const PROPERTY = 'linux.resources.blockIO';

function numbers({ major, minor }: Numbers): string {
  return `${toUint32(major, `${PROPERTY}: major`)}:${toUint32(minor, `${PROPERTY}: minor`)}`;
}

/**
 * Which of two files a group has. The group may not exist yet: a parent shows it, but for the
 * root, where weights have no files.
 */
function present(directory: string, first: string, second: string): string {
  for (let at = directory; at !== '/'; at = dirname(at)) {
    if (existsSync(join(at, first))) return first;
    if (existsSync(join(at, second))) return second;
  }
  return first;
}

/** [10, 1000] -> [1, 10000], as runc converts for the kernel's default controller. */
export function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

/** The weights of bfq, or else of the older cfq. */
const weightV1: Writes = ({ blockIO }, { directory }) =>
  weights(blockIO, (device) => {
    const file = present(directory, 'blkio.bfq.weight', 'blkio.weight');
    return device ? `${file}_device` : file;
  });

function weights(blockIO: BlockIo | undefined, file: (device: boolean) => string): Write[] {
  const weight = blockIO?.weight ?? 0;
  const own = weight === 0 ? [] : [{ file: file(false), value: String(weight) }];
  const devices = (blockIO?.weightDevice ?? []).flatMap((device) =>
    (device.weight ?? 0) === 0
      ? []
      : [{ file: file(true), value: `${numbers(device)} ${device.weight}` }],
  );
  return [...own, ...devices];
}

/** bfq takes the numbers as they are, the default controller has a scale of its own. */
const weightV2: Writes = ({ blockIO }, { directory }) => {
  const file = present(directory, 'io.bfq.weight', 'io.weight');
  if (file === 'io.bfq.weight') return weights(blockIO, () => file);
  const scaled = { ...blockIO };
  if (scaled.weight) scaled.weight = ioWeight(scaled.weight);
  scaled.weightDevice = (scaled.weightDevice ?? []).map((device) =>
    device.weight ? { ...device, weight: ioWeight(device.weight) } : device,
  );
  return weights(scaled, () => file);
};

const leafWeightV1: Writes = ({ blockIO }) => {
  const weight = blockIO?.leafWeight ?? 0;
  const own = weight === 0 ? [] : [{ file: 'blkio.leaf_weight', value: String(weight) }];
  const devices = (blockIO?.weightDevice ?? []).flatMap((device) =>
    (device.leafWeight ?? 0) === 0
      ? []
      : [{ file: 'blkio.leaf_weight_device', value: `${numbers(device)} ${device.leafWeight}` }],
  );
  return [...own, ...devices];
};

type ThrottleProperty = Extract<keyof BlockIo, `throttle${string}`>;

function throttle(property: ThrottleProperty, file: string, key: string): Limit {
  const devices = (resources: Resources) => resources.blockIO?.[property] ?? [];
  return {
    property: `blockIO.${property}`,
    controller: 'blkio',
    v1: (resources) =>
      devices(resources).map((device) => ({
        file: `blkio.throttle.${file}`,
        value: `${numbers(device)} ${device.rate ?? 0}`,
      })),
    // 0 is no limit in v1, and an error in v2, which says "max".
    v2: (resources) =>
      devices(resources).map((device) => ({
        file: 'io.max',
        value: `${numbers(device)} ${key}=${Number(device.rate ?? 0) === 0 ? 'max' : device.rate}`,
      })),
  };
}

export const blockIoLimits: readonly Limit[] = [
  { property: 'blockIO.weight', controller: 'blkio', v1: weightV1, v2: weightV2 },
  { property: 'blockIO.leafWeight', controller: 'blkio', v1: leafWeightV1 },
  throttle('throttleReadBpsDevice', 'read_bps_device', 'rbps'),
  throttle('throttleWriteBpsDevice', 'write_bps_device', 'wbps'),
  throttle('throttleReadIOPSDevice', 'read_iops_device', 'riops'),
  throttle('throttleWriteIOPSDevice', 'write_iops_device', 'wiops'),
];
