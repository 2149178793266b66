# buildah from scratch, copy, run, config, commit, and a second container from what was made.
c=$(buildah from --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 scratch)
buildah copy -q "$c" "$IMAGE" / >/dev/null
buildah config --env PATH=/bin --cmd sh "$c"
buildah run "$c" echo hello
buildah run "$c" sh -c 'exit 7' 2>/dev/null; echo $?
buildah run "$c" sh -c 'kill -9 $$; exit 3' 2>/dev/null; echo $?
buildah run "$c" nonexistent >/dev/null 2>&1; echo $?
echo input | buildah run "$c" cat
buildah run --user user "$c" id
buildah run --env A=b --workingdir /tmp "$c" sh -c 'echo $A; pwd'
buildah run --hostname given "$c" hostname
buildah run --network none "$c" ip -o link | wc -l
buildah run -v "$PWD:/data" "$c" sh -c 'echo from inside >/data/file' && cat file
buildah run --mount type=tmpfs,dst=/t "$c" sh -c 'mount | grep -c " /t "'
buildah run --cap-drop all "$c" grep CapEff /proc/self/status
buildah run "$c" sh -c 'echo made >/made; sleep 0.1 & wait; ls -l / | grep -c made'
script -qec "buildah run -t $c tty" /dev/null | tr -d '\r'
script -qec "stty rows 33 cols 99; buildah run -t $c sh -c 'sleep 0.5; stty size'" /dev/null | tr -d '\r'
for i in 1 2 3 4 5; do buildah run "$c" sh -c "echo $i >>/count"; done; buildah run "$c" cat /count | tr '\n' ' '
buildah commit -q "$c" made >/dev/null
d=$(buildah from --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --pull-never made)
buildah run "$d" cat /made
buildah run --isolation oci --runtime "$BUILDAH_RUNTIME" "$d" uname -s
m=$(buildah mount "$d") && cat "$m/made" && buildah umount "$d" >/dev/null
buildah rm "$c" "$d" | wc -l
buildah rmi -f made >/dev/null; buildah images -q | wc -l
