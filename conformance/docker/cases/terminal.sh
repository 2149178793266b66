# docker run -it, exec -it: a terminal with its size, job control, an interactive shell.
# At the end of its input script(1) types a NUL, which a terminal may echo.
typed() { script -qec "$1" /dev/null | tr -d '\r' | sed 's/\^@//g'; }
typed "docker run --rm -t busybox tty"
typed "docker run --rm -t busybox sh -c 'test -t 0 && test -t 1 && test -t 2 && echo terminals'"
typed "stty rows 33 cols 99; docker run --rm -it busybox sh -c 'sleep 0.5; stty size'"
printf 'echo $((40 + 2))\nsleep 50 &\njobs | wc -l\nkill %%1\nexit 5\n' | typed "docker run --rm -it busybox sh" | grep -E '^(42|1)$'
docker run -d --name one busybox sleep 100 >/dev/null
typed 'docker exec -t one tty'
typed 'docker exec -it one sh -c "stty -echo; echo raw"'
docker rm -f one
