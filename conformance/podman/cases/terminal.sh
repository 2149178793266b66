# podman run -it, exec -it, attach: a terminal with its size, job control, an interactive shell.
typed() { script -qec "$1" /dev/null | tr -d '\r'; }
typed "podman run --rm -t busybox tty"
typed "podman run --rm -t busybox sh -c 'test -t 0 && test -t 1 && test -t 2 && echo terminals'"
typed "stty rows 33 cols 99; podman run --rm -it busybox sh -c 'sleep 0.5; stty size'"
printf 'echo $((40 + 2))\nsleep 50 &\njobs | wc -l\nkill %%1\nexit 5\n' | typed "podman run --rm -it busybox sh" | grep -E '^(42|1)$'
podman run -d --name one busybox sleep 100 >/dev/null
typed 'podman exec -t one tty'
typed 'podman exec -it one sh -c "stty -echo; echo raw"'
typed 'stty rows 21 cols 55; podman exec -it one sh -c "sleep 0.5; stty size"'
printf 'echo inside; exit 6\n' | typed 'podman exec -it one sh; echo status $?' | grep -E '^(inside|status 6)$'
podman run -dt --name two busybox sh -c 'read line; echo "got $line"; sleep 0.2' >/dev/null
printf 'typed\n' | typed 'podman attach two' | grep -c got
podman rm -f -t 0 one two | wc -l
