/** What programs of Debian are measured at, each as a shell's command in a running container. */

export interface Load {
  name: string;
  /** Run once by bash on the host in the root filesystem, in a folder of the load's own. */
  prepare?: string;
  /** Run by bash in the container, in that folder; `/tmp` is writable. */
  command: string;
  /** How often in a round. */
  times: number;
  /** Work per second in the first group of what the command prints; without, its time counts. */
  rate?: RegExp;
}

const GARBAGE = `package main
import "fmt"
type tree struct{ left, right *tree }
func grow(depth int) *tree { if depth == 0 { return &tree{} }; return &tree{grow(depth - 1), grow(depth - 1)} }
func (t *tree) count() int { if t.left == nil { return 1 }; return 1 + t.left.count() + t.right.count() }
func main() { kept := grow(20); n := 0; for i := 0; i < 40; i++ { n += grow(16).count() }; fmt.Println(n + kept.count()) }
`;

const TOUCH = `cat >touch.c <<'END'
#include <stdlib.h>
int main(void) { char *p = malloc(1ul << 30); for (size_t i = 0; i < 1ul << 30; i += 4096) p[i] = 1; return p[4096] - 1; }
END
gcc -O1 -o touch touch.c`;

const FILES = 40;
/** A project of small C files with a header each needs. */
const PROJECT = `
printf '#include <stdio.h>\\n#include <stdlib.h>\\n#include <string.h>\\n' >all.h
for i in $(seq ${FILES}); do
  { echo '#include "all.h"'
    for f in $(seq 10); do echo "int f\${i}_$f(int n) { char b[64]; snprintf(b, sizeof b, \\"%d\\", n); return (int)strlen(b) + atoi(b) % $f; }"; done
  } >f$i.c
done
echo 'int main(void) { return 0; }' >main.c
printf 'O=$(patsubst %%.c,%%.o,$(wildcard *.c))\\nall: $O\\n\\tgcc -o all $O\\n%%.o: %%.c all.h\\n\\tgcc -O1 -c -o $@ $<\\n' >Makefile`;

function openssl(...algorithm: string[]): Load {
  const command = `openssl speed -mr -seconds 1 -bytes 16384 ${algorithm.join(' ')} 2>/dev/null`;
  return { name: `openssl ${algorithm.at(-1)}`, command, times: 1, rate: /^\+F:.*:([\d.]+)$/m };
}

export const LOADS: readonly Load[] = [
  openssl('-evp', 'chacha20-poly1305'),
  openssl('-evp', 'aes-256-gcm'),
  openssl('-evp', 'sha512'),
  {
    name: 'python numbers',
    command: `python3 -c 'n = 0
for i in range(6_000_000): n = (n * 31 + i) % 1000003'`,
    times: 1,
  },
  {
    name: 'python objects',
    command: `python3 -c 'import json
t = json.dumps([{"a": i, "b": [str(i)] * 5} for i in range(60000)])
for _ in range(3): json.loads(t)'`,
    times: 1,
  },
  {
    name: 'node numbers',
    command: `node -e 'let n = 0; for (let i = 0; i < 4e8; i++) n = (n * 31 + i) | 0'`,
    times: 1,
  },
  {
    name: 'node objects',
    command: `node -e 'const m = new Map(); for (let i = 0; i < 3e6; i++) m.set("k" + i % 1e5, { i, a: [i, i + 1] })'`,
    times: 1,
  },
  { name: 'touch 1 GiB', prepare: TOUCH, command: './touch', times: 2 },
  {
    name: 'sort',
    prepare: 'seq 3000000 | rev >numbers',
    command: 'LC_ALL=C sort -S 1G numbers >/dev/null',
    times: 1,
  },
  {
    name: 'go collector',
    prepare: `cat >m.go <<'END'\n${GARBAGE}END\nHOME=/tmp CGO_ENABLED=0 go build -o m m.go`,
    command: './m >/dev/null',
    times: 1,
  },
  { name: 'true', command: '/bin/true', times: 20 },
  { name: 'python3 -c pass', command: 'python3 -c pass', times: 10 },
  { name: 'node -e 0', command: 'node -e 0', times: 5 },
  { name: 'java -version', command: 'java -version 2>/dev/null', times: 5 },
  {
    name: 'make -j2',
    prepare: PROJECT,
    command: 'cp -r . /tmp/project && make -s -j2 -C /tmp/project && rm -r /tmp/project',
    times: 1,
  },
];
