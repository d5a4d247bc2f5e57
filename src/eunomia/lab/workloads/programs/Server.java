// SPDX-License-Identifier: Apache-2.0
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Executors;

/** A web server on a pool of four threads. */
public class Server {
    public static void main(String[] arguments) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8080), 16);
        server.createContext("/", Server::answer);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
    }

    private static void answer(HttpExchange exchange) throws IOException {
        String what = exchange.getRequestURI().getPath().substring(1);
        byte[] text;
        try {
            text = (what + ": " + work(what) + "\n").getBytes();
        } catch (Exception error) {
            exchange.sendResponseHeaders(500, -1);
            exchange.close();
            return;
        }
        exchange.sendResponseHeaders(200, text.length);
        exchange.getResponseBody().write(text);
        exchange.close();
    }

    private static String work(String what) throws Exception {
        switch (what) {
            case "file":
                Path file = Files.createTempFile("lab", ".txt");
                Files.writeString(file, "content");
                String content = Files.readString(file);
                Files.delete(file);
                return content;
            case "hash":
                return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(what.getBytes()));
            case "collect":
                List<byte[]> kept = new ArrayList<>();
                for (int round = 0; round < 400; round++) {
                    kept.add(new byte[1 << 18]);
                    if (kept.size() > 20) {
                        kept.clear();
                    }
                }
                System.gc();
                return "collected";
            default:
                return "here";
        }
    }
}
