# buildah of an ordinary user: from, run, commit, a Dockerfile.
# seconds: 120
cp -r "$IMAGE" image
printf 'FROM scratch\nCOPY image /\nENV PATH=/bin\nRUN id -u && echo made >/made\nUSER user\nRUN id -un\n' >Dockerfile
buildah bud -t built . 2>/dev/null | grep -vE '^(-->|STEP|COMMIT|Success|[0-9a-f]{64}$)'
c=$(buildah from --pull-never built)
buildah run "$c" cat /made
buildah run --user root "$c" sh -c 'echo more >/more; exit 6' 2>/dev/null; echo $?
buildah commit -q "$c" more >/dev/null && buildah rm "$c" >/dev/null
c=$(buildah from --pull-never more); buildah run "$c" cat /more
buildah rm "$c" | wc -l
