# coreutils, findutils, grep, sed, awk: their common use.
# packages: coreutils findutils grep sed gawk mawk diffutils
mkdir -p /tmp/work/a/b/c && cd /tmp/work || exit 1
seq 1 1000 >numbers
sort -rn numbers | head -n 3
shuf -i 1-100 | sort -n | sha256sum
md5sum numbers && sha512sum numbers && cksum numbers
split -l 250 numbers part. && ls part.* && cat part.* | cmp - numbers && echo whole
paste -d, numbers numbers | tail -n 1 | cut -d, -f 2
sort part.aa >some && sort numbers | comm -12 some - | wc -l && rm some
tr -d '0-9\n' <numbers | wc -c
od -An -tx1 -N 8 numbers
dd if=/dev/zero of=zeros bs=64k count=160 2>/dev/null && stat -c '%s %a %F' zeros
truncate -s 1M sparse && du -k --apparent-size sparse | cut -f 1
cp -a a a2 && cp --reflink=auto zeros zeros2 && cmp zeros zeros2 && echo same
ln -s numbers link && readlink link && realpath link
ln numbers hard && stat -c %h numbers
mv hard renamed && test -e renamed && echo renamed
touch -d '2001-02-03 04:05:06 UTC' dated && stat -c %Y dated
chmod 4751 dated && stat -c %A dated
chown 12:34 dated && stat -c %u:%g dated
install -m 640 numbers installed && stat -c %a installed
find . -type f -name 'part.*' -print0 | sort -z | xargs -0 -n 2 echo
find . -type d -empty | sort
find . -newer dated -name numbers -exec wc -l {} +
seq 20 | xargs -P 4 -n 1 sh -c 'echo $0' | sort -n | tail -n 1
grep -c 9 numbers && grep -rl 777 . | sort | head -n 2 && grep -oE '^(1)(2).$' numbers | head -n 2
grep -P '(?<=9)9$' numbers | wc -l
sed -n '3,5{s/\(.\)/<\1>/;p}' numbers && sed -i 's/^1$/one/' numbers && head -n 1 numbers
awk '{ s += $1 } END { print s, NR }' numbers
gawk 'BEGIN { "echo piped" | getline x; print x; print strftime("%Y", 0, 1); print gensub(/a/, "b", "g", "aaa") }'
tee one two <part.aa | wc -l && cmp one two && echo teed
df -P /tmp | awk 'NR == 2 { print ($2 > 0) }'
id -u && whoami && groups && hostname && uname -s && nproc | grep -c .
date -u -d @0 +%FT%T && TZ=Asia/Tokyo date -d @0 +%H
env printf '%b' 'a\tb\n' && expr 6 \* 7 && factor 1234567890
base64 numbers | tail -c 20 && numfmt --to=iec 1048576
nice -n 5 nice && nohup true 2>/dev/null; stdbuf -oL echo buffered
{ timeout -s KILL 0.2 sleep 5; } 2>/dev/null; echo $?
tail -n 2 numbers && tac part.ad | head -n 1 && rev part.aa | head -n 1 && nl part.aa | head -n 1
diff -u one part.ab | head -n 3 | sed 's/\t.*//'
rm -rf /tmp/work && test ! -e /tmp/work && echo gone
mktemp -d /tmp/XXXXXX | wc -c
sync && sleep 0.01 && test -t 0 || echo 'no terminal'
