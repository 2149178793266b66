# musl: static and dynamic programs.
# packages: musl-tools gcc musl
cd /tmp && cat >t.c <<'END'
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <locale.h>
extern char **environ;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static int n;
static void *f(void *p) { for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); } return p; }
int main(void) {
  pthread_t t[16]; for (int i = 0; i < 16; i++) pthread_create(&t[i], 0, f, 0); for (int i = 0; i < 16; i++) pthread_join(t[i], 0); printf("%d\n", n);
  char *a[] = {"sh", "-c", "echo spawned; exit 6", 0}; pid_t p; int s; fflush(stdout); posix_spawn(&p, "/bin/sh", 0, 0, a, environ); waitpid(p, &s, 0); printf("%d\n", WEXITSTATUS(s));
  printf("%d\n", posix_spawn(&p, "/nonexistent", 0, 0, a, environ));
  FILE *f = popen("echo popen", "r"); char b[64]; printf("%s", fgets(b, 64, f)); printf("%d\n", pclose(f));
  char *q = malloc(100 << 20); for (long i = 0; i < 100 << 20; i += 4096) q[i] = 1; free(q); printf("%d\n", system("exit 3") >> 8);
}
END
musl-gcc -static -O1 t.c -o static && ./static && musl-gcc -O1 t.c -o dynamic && ./dynamic
