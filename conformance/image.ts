/** The image that the engines' cases run: Debian's static busybox with two users. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const SCRIPT = `
  cd "$0" && mkdir -p bin etc tmp root var www && cp /bin/busybox bin
  busybox --list | while read -r name; do
    [ "$name" = busybox ] || ln -s busybox "bin/$name"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\\nuser:x:1000:1000::/tmp:/bin/sh\\n' >etc/passwd
  printf 'root:x:0:\\nuser:x:1000:\\n' >etc/group
  chmod 1777 tmp && cd .. && tar -C image -cf image.tar .`;

/** Makes `image` and `image.tar`, the same packed, in a directory; returns the archive's path. */
export function makeImage(directory: string): string {
  const image = join(directory, 'image');
  mkdirSync(image, { recursive: true });
  execFileSync('sh', ['-ec', SCRIPT, image], { stdio: ['ignore', 'ignore', 'inherit'] });
  return join(directory, 'image.tar');
}
