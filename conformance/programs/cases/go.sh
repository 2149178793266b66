# Go: the tool chain builds a program, which uses goroutines, net/http, os/exec and its own tests.
# packages: golang-go ca-certificates
# seconds: 300
mkdir -p /tmp/m && cd /tmp/m && export GOFLAGS=-mod=mod GOCACHE=/tmp/cache CGO_ENABLED=0
cat >go.mod <<END
module m
go 1.19
END
cat >m.go <<'END'
package main
import ("fmt"; "io"; "net/http"; "net/http/httptest"; "os/exec"; "runtime"; "strings"; "sync"; "time")
func Sum(n int) (s int) { var wg sync.WaitGroup; var mu sync.Mutex; for i := 0; i < n; i++ { wg.Add(1); go func(i int) { defer wg.Done(); mu.Lock(); s += i; mu.Unlock() }(i) }; wg.Wait(); return }
func main() {
  fmt.Println("sum", Sum(10000))
  s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b, _ := io.ReadAll(r.Body); fmt.Fprint(w, strings.ToUpper(string(b))) }))
  var wg sync.WaitGroup; n := 0; var mu sync.Mutex
  for i := 0; i < 50; i++ { wg.Add(1); go func() { defer wg.Done(); r, err := http.Post(s.URL, "text/plain", strings.NewReader("hello")); if err != nil { panic(err) }; b, _ := io.ReadAll(r.Body); r.Body.Close(); mu.Lock(); n += len(b); mu.Unlock() }() }
  wg.Wait(); s.Close(); fmt.Println("http", n)
  out, err := exec.Command("sh", "-c", "echo sub; exit 3").CombinedOutput(); fmt.Printf("%q %v\n", out, err)
  _, err = exec.Command("/nonexistent").Output(); fmt.Println(err)
  done := make(chan bool); go func() { for { select { case <-done: return; default: } } }(); time.Sleep(20 * time.Millisecond); runtime.GC(); close(done)
  func() { defer func() { fmt.Println(recover()) }(); var p *int; *p = 1 }()
  var m [][]byte; for i := 0; i < 200; i++ { m = append(m, make([]byte, 1<<20)); if i%50 == 0 { m = nil } }; runtime.GC(); fmt.Println("gc", len(m))
}
END
cat >m_test.go <<'END'
package main
import "testing"
func TestSum(t *testing.T) { if Sum(100) != 4950 { t.Fail() } }
func TestParallel(t *testing.T) { for _, n := range []int{1, 10, 100} { n := n; t.Run("n", func(t *testing.T) { t.Parallel(); if Sum(n) != n*(n-1)/2 { t.Fail() } }) } }
END
go version | cut -d' ' -f 1-3 && go build -o m . && ./m && go vet . && go test -v . 2>&1 | grep -E '^ *---' | sed 's/ (.*//' | sort
