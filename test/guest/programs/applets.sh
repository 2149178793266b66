# A shell without pipes and forks: applets run in busybox' own process, loops and builtins in the shell.
set -u
i=0
sum=0
while [ "$i" -lt 2000 ]; do
  i=$((i + 1))
  sum=$((sum + i * i % 7))
done
echo "sum $sum"
for name in one two three; do
  printf '%s\n' "$name" "$name again" >"$name.txt"
  echo "appended" >>"$name.txt"
done
while read -r line; do echo "read: $line"; done <two.txt
for file in *.txt; do
  [ -f "$file" ] && [ -s "$file" ] && echo "$file is a file"
done
case "$(( 7 % 3 ))" in 1) echo one ;; *) echo other ;; esac
greet() { local name=$1; echo "hello ${name:-nobody} ${#name}"; return 3; }
greet world
echo "status $?"
umask 027
: >private.txt
test -r private.txt && echo readable
cd / && pwd && cd "$OLDPWD" || exit 1
text=abc.def.ghi
echo "${text%%.*} ${text##*.} ${text%.*} ${text#*.}"
set -- a 'b c' d
echo "$# $2"
shift
echo "$1"
unset nothing
echo "${nothing-unset} ${nothing:=set} $nothing"
trap 'echo trapped at the end' EXIT
exec 3<one.txt
read -r first <&3
read -r second <&3
exec 3<&-
echo "$first, $second"
if ! read -r none <private.txt; then echo "end of file"; fi
printf '%05d %x %s %c\n' 42 255 string character
echo 'to stderr' >&2
type cd
kill -0 $$ && echo alive
exit 7
