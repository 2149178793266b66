# bash: arrays, process substitution, coproc, job control, here strings, arithmetic.
# packages: bash
exec bash -s <<'END'
declare -A map=([a]=1 [b]=2)
for key in $(printf '%s\n' "${!map[@]}" | sort); do echo "$key=${map[$key]}"; done
diff <(seq 3) <(seq 4)
coproc { read -r line; echo "got $line"; }
coproc=$COPROC_PID
echo hello >&"${COPROC[1]}"
read -r answer <&"${COPROC[0]}"
echo "$answer"
wait "$coproc"
tr a-z A-Z <<<shout
set -m
sleep 30 &
jobs -r | sed 's/ *$//; s/^[^ ]*//'
kill -STOP %%
sleep 0.2
jobs -s | sed 's/ *$//; s/^[^ ]*//'
kill -CONT %%
pid=$(jobs -p %%)
{ kill %%; wait "$pid"; } 2>/dev/null
echo "$?"
set +m
set -o pipefail
false | true
echo "${PIPESTATUS[@]} $?"
time_of() { local TIMEFORMAT=%R; { time true; } 2>&1 | grep -c .; }
time_of
mapfile -t lines < <(seq 5)
echo "${#lines[@]} ${lines[4]}"
printf -v text '%05.1f' 3.14159
echo "$text ${text/./,} ${#text}"
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
trap 'ended=1' CHLD
(exit 0) &
wait
trap - CHLD
echo "child ended: $ended"
echo $((2**40)) $((0x1f)) $((RANDOM >= 0))
exec {fd}>/tmp/file && echo data >&"$fd" && cat /tmp/file
shopt -s extglob globstar
cd /etc && ls -d pass!(x) | head -n 1
{ ( ulimit -c 0; kill -SEGV $BASHPID ); } 2>/dev/null
echo $?
timeout 0.2 sleep 10
echo $?
END
