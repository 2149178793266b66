# gcc and make: a small project by make -j2, a shared library, a debugger-free crash.
# packages: gcc libc6-dev make binutils
# seconds: 180
mkdir -p /tmp/p && cd /tmp/p || exit 1
for i in $(seq 12); do printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint f%d(int x) { char b[64]; snprintf(b, 64, "%%d", x); return (int)strlen(b) + %d; }\n' $i $i >f$i.c; done
{ for i in $(seq 12); do echo "int f$i(int);"; done; echo '#include <stdio.h>'; echo 'int main(void) { int s = 0;'; for i in $(seq 12); do echo "s += f$i(s);"; done; printf '%s\n' 'printf("%d\n", s); return s & 63; }'; } >main.c
cat >Makefile <<'END'
OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))
all: program
program: $(OBJECTS)
	$(CC) -o $@ $^
%.o: %.c
	$(CC) -O2 -c $< -o $@
clean:
	rm -f *.o program
END
make -s -j2 && ./program; echo $?
make -q && echo 'up to date'
touch f3.c && make -s -j2 && ./program; make clean
printf 'int answer(void) { return 42; }\n' | gcc -shared -fPIC -x c - -o libanswer.so && printf '#include <stdio.h>\nint answer(void); int main(void) { printf("%%d\\n", answer()); }\n' | gcc -x c - -L. -lanswer -Wl,-rpath,/tmp/p -o shared && ./shared
printf 'int main(void) { return *(volatile int *)0; }\n' | gcc -x c - -o crash && ./crash 2>/dev/null; echo $?
printf '#include <pthread.h>\n#include <stdio.h>\nstatic void *f(void *p) { return p; }\nint main(void) { pthread_t t; void *r; for (long i = 0; i < 1000; i++) { pthread_create(&t, 0, f, (void *)i); pthread_join(t, &r); } printf("%%ld\\n", (long)r); }\n' | gcc -static -x c - -o threads -pthread && ./threads
gcc broken.c 2>&1 | head -n 1 | sed 's/.*: //'
nm libanswer.so | grep -c answer && objdump -d libanswer.so | grep -c ret | grep -c . && strip shared && ./shared
