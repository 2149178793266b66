/** The control socket's framing: u32 little-endian length, then so many bytes of UTF-8 JSON. */
import { OciError } from '../errors.ts';

/** Bytes of JSON in one frame, at most. */
export const MAX_FRAME = 4 * 1024 * 1024;

const HEADER = 4;

export function encodeFrame(message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8');
  if (body.length > MAX_FRAME) {
    throw new OciError('ERR_PINION_FRAME', `config.json is too large: ${body.length} bytes`);
  }
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(body.length);
  return Buffer.concat([header, body]);
}

/** Puts frames together again from chunks of any size. */
export class FrameDecoder {
  #pending: Buffer = Buffer.alloc(0);

  /** The values of all frames that are complete with this chunk. */
  push(chunk: Buffer): unknown[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const values: unknown[] = [];
    while (this.#pending.length >= HEADER) {
      const length = this.#pending.readUInt32LE();
      if (length > MAX_FRAME) {
        throw new OciError('ERR_PINION_FRAME', `frame of ${length} bytes from the monitor`);
      }
      if (this.#pending.length < HEADER + length) break;
      values.push(parse(this.#pending.toString('utf8', HEADER, HEADER + length)));
      this.#pending = this.#pending.subarray(HEADER + length);
    }
    return values;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OciError('ERR_PINION_FRAME', 'a frame from the monitor is not JSON', { cause });
  }
}
