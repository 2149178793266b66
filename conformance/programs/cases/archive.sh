# tar, gzip, bzip2, xz, zstd, zip, cpio: what is packed comes out the same.
# packages: tar gzip bzip2 xz-utils zstd zip unzip cpio
cd /tmp && mkdir -p tree/sub && seq 100000 >tree/numbers && ln -s numbers tree/link && ln tree/numbers tree/sub/hard
head -c 300000 /dev/zero >tree/zeros && chmod 741 tree/zeros && mkfifo tree/fifo
touch -d @1000000000 tree/numbers tree/zeros tree/sub tree
for how in gzip bzip2 xz zstd; do
  tar --create --$how --file "tree.$how" tree && mkdir "out.$how" && tar -x -C "out.$how" -f "tree.$how"
  diff -r --no-dereference -x fifo tree "out.$how/tree" && echo "$how: same"
  stat -c '%n %a %h %Y' "out.$how/tree/numbers" "out.$how/tree/zeros"
done
tar -tvf tree.xz | awk '{ print $1, $3, $6 }' | sort -k 3
gzip -c tree/numbers | gunzip | md5sum
xz -T2 -c tree/numbers | xz -dc | md5sum
zstd -q -T2 -c tree/numbers | zstd -dc | md5sum
zip -qry all.zip tree -x tree/fifo && unzip -qd unzipped all.zip && diff -r -x fifo tree unzipped/tree && echo 'zip: same'
find tree -depth ! -name fifo | cpio -o --quiet >all.cpio && mkdir cpio && (cd cpio && cpio -id --quiet <../all.cpio) && diff -r -x fifo tree cpio/tree && echo 'cpio: same'
