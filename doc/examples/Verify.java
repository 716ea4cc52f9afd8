// usage: WEBHOOK_SECRET=... java Verify.java ID TIMESTAMP SIGNATURE <body
import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Verify {
    static final long TOLERANCE = 300; // seconds

    /** Whether a request is from evhookd; body is its bytes, as they came. */
    static boolean verify(String secret, String id, String timestamp, String signatures, byte[] body)
            throws GeneralSecurityException {
        if (!timestamp.matches("[0-9]{1,15}")) return false;
        long age = System.currentTimeMillis() / 1000 - Long.parseLong(timestamp);
        if (Math.abs(age) > TOLERANCE) return false;
        byte[] key = secret.startsWith("whsec_")
                ? Base64.getDecoder().decode(secret.substring("whsec_".length()))
                : secret.getBytes(UTF_8);
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(UTF_8));
        byte[] wanted = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes(UTF_8);
        // While a secret is being changed there are two signatures, with a space between them.
        boolean good = false;
        for (String given : signatures.split(" "))
            good |= MessageDigest.isEqual(given.getBytes(UTF_8), wanted);
        return good;
    }

    public static void main(String[] args) throws Exception {
        byte[] body = System.in.readAllBytes();
        boolean good = verify(System.getenv("WEBHOOK_SECRET"), args[0], args[1], args[2], body);
        System.out.println(good ? "good" : "bad");
        System.exit(good ? 0 : 1);
    }
}
