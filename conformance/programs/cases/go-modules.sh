# Go's own tests of what touches the system most.
# packages: golang-go ca-certificates
# seconds: 600
cd /usr/lib/go-1.19/src || exit 1
export GOCACHE=/tmp/cache CGO_ENABLED=0
for module in sync sync/atomic os/exec os/signal net/http/httptest net/http; do
  go test -short -count=1 "$module" >/tmp/log 2>&1
  echo "$module $?"
  grep -E '^ *--- FAIL' /tmp/log | cut -d' ' -f 1-3
done
true
