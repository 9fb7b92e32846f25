import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.concurrent.Executors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Receives webhooks and verifies them. Java 17 or newer, without further libraries:
 * WEBHOOK_SECRET=whsec_… PORT=9000 java Receiver.java
 */
public class Receiver {
  /** The largest snapshot, between [ and ]. */
  static final int BODY_BYTES_MAX = 1024 * 1024 + 2;
  static final long TOLERANCE_SECONDS = 5 * 60;

  public static void main(String[] args) throws IOException {
    String secret = System.getenv().getOrDefault("WEBHOOK_SECRET", "").replaceFirst("^whsec_", "");
    if (secret.isEmpty()) throw new IllegalStateException("Set WEBHOOK_SECRET to the signing secret.");
    SecretKeySpec key = new SecretKeySpec(Base64.getDecoder().decode(secret), "HmacSHA256");
    int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "9000"));
    HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
    server.setExecutor(Executors.newFixedThreadPool(8));
    server.createContext("/", exchange -> receive(exchange, key));
    server.start();
  }

  static void receive(HttpExchange exchange, SecretKeySpec key) throws IOException {
    Headers headers = exchange.getRequestHeaders();
    byte[] body = exchange.getRequestBody().readNBytes(BODY_BYTES_MAX + 1);
    boolean isVerified = body.length <= BODY_BYTES_MAX && isVerified(headers, body, key);
    if (isVerified) {
      // The body is an array with exactly one item. Parse that with the JSON library of your choice.
      String item = new String(body, 1, body.length - 2, UTF_8);
      // The id is the same in every repetition: remember it, and skip what you have seen.
      System.out.println(header(headers, "id") + " " + header(headers, "event") + " " + item);
    }
    // The sender tries again after 400. If the secret or the clock here was wrong, nothing is lost.
    exchange.sendResponseHeaders(isVerified ? 200 : 400, -1);
    exchange.close();
  }

  static boolean isVerified(Headers headers, byte[] body, SecretKeySpec key) {
    String timestamp = header(headers, "timestamp");
    if (!timestamp.matches("\\d{1,12}")) return false;
    long age = Instant.now().getEpochSecond() - Long.parseLong(timestamp);
    if (Math.abs(age) > TOLERANCE_SECONDS) return false;
    byte[] expected = sign(header(headers, "id") + "." + timestamp + ".", body, key).getBytes(UTF_8);
    // There are several signatures while the secret is being rotated.
    for (String signature : header(headers, "signature").split(" ")) {
      if (MessageDigest.isEqual(signature.getBytes(UTF_8), expected)) return true;
    }
    return false;
  }

  static String sign(String prefix, byte[] body, SecretKeySpec key) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      mac.update(prefix.getBytes(UTF_8));
      return "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException("Every Java has HmacSHA256.", error);
    }
  }

  static String header(Headers headers, String name) {
    String value = headers.getFirst("webhook-" + name);
    return value == null ? "" : value;
  }
}
