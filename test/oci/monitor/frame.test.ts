import { describe, expect, test } from 'vitest';
import { parseEvent } from '../../../oci/monitor/event.ts';
import { encodeFrame, FrameDecoder, MAX_FRAME } from '../../../oci/monitor/frame.ts';

describe('frames', () => {
  test('are a little-endian length and JSON in UTF-8', () => {
    expect(encodeFrame({ a: 'é' })).toEqual(
      Buffer.concat([Buffer.from([10, 0, 0, 0]), Buffer.from('{"a":"é"}')]),
    );
  });

  test('come back whole from chunks of any size', () => {
    const messages = [{ event: 'pid', pid: 7 }, 'ü'.repeat(50), [], { continue: true }];
    const stream = Buffer.concat(messages.map(encodeFrame));
    for (const size of [1, 2, 3, 5, 64, stream.length]) {
      const decoder = new FrameDecoder();
      const decoded: unknown[] = [];
      for (let at = 0; at < stream.length; at += size) {
        decoded.push(...decoder.push(stream.subarray(at, at + size)));
      }
      expect(decoded).toEqual(messages);
    }
  });

  test('are at most 4 MiB long, in both directions', () => {
    expect(() => encodeFrame('x'.repeat(MAX_FRAME))).toThrow('too large');
    const header = Buffer.alloc(4);
    header.writeUInt32LE(MAX_FRAME + 1);
    expect(() => new FrameDecoder().push(header)).toThrow(`frame of ${MAX_FRAME + 1} bytes`);
  });

  test('contain JSON', () => {
    expect(() => new FrameDecoder().push(Buffer.from('\u0001\0\0\0{'))).toThrow('not JSON');
  });
});

describe('events', () => {
  test.each([
    { event: 'pid', pid: 7 },
    { event: 'pause', at: 'createRuntime' },
    { event: 'pause', at: 'createContainer' },
    { event: 'ready' },
    { event: 'error', message: 'no' },
  ])('takes $event', (event) => {
    expect(parseEvent(event)).toEqual(event);
  });

  test.each([
    null,
    'ready',
    [],
    {},
    { event: 'other' },
    { event: 'pid' },
    { event: 'pid', pid: 0 },
    { event: 'pid', pid: 1.5 },
    { event: 'pid', pid: '7' },
    { event: 'pause', at: 'prestart' },
    { event: 'error' },
  ])('refuses %j', (value) => {
    expect(() => parseEvent(value)).toThrow('unexpected message from the monitor');
  });
});
