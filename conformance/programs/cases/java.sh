# Java 17: javac and run; threads, an http server, processes, garbage collection.
# packages: openjdk-17-jdk-headless
# seconds: 180
cd /tmp && cat >M.java <<'END'
import java.net.*; import java.net.http.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*; import com.sun.net.httpserver.*;
public class M {
  public static void main(String[] a) throws Exception {
    System.out.println(IntStream.range(0, 1_000_000).parallel().asLongStream().sum());
    var pool = Executors.newFixedThreadPool(16); var fs = new ArrayList<Future<Integer>>();
    for (int i = 0; i < 200; i++) { int n = i; fs.add(pool.submit(() -> { Thread.sleep(1); return n; })); }
    int s = 0; for (var f : fs) s += f.get(); System.out.println(s); pool.shutdown();
    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0); server.createContext("/", x -> { byte[] b = "hello".getBytes(); x.sendResponseHeaders(200, b.length); x.getResponseBody().write(b); x.close(); }); server.start();
    var c = HttpClient.newHttpClient(); System.out.println(c.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.getAddress().getPort())).build(), HttpResponse.BodyHandlers.ofString()).body()); server.stop(0);
    var p = new ProcessBuilder("sh", "-c", "echo child; exit 3").start(); System.out.print(new String(p.getInputStream().readAllBytes())); System.out.println(p.waitFor());
    long n = 0; for (int i = 0; i < 200; i++) n += new byte[4 << 20].length; System.out.println(n); System.gc();
    try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
    try { deep(0); } catch (StackOverflowError e) { System.out.println("deep"); }
    System.exit(7);
  }
  static int deep(int i) { return deep(i + 1) + 1; }
}
END
javac M.java && java -Xmx256m M; echo $?
