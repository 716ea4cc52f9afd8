// Verifies one delivery as a subscriber would: reads {secret, headers, body} as JSON from stdin,
// prints the verified payload as JSON and exits 0, or says why not and exits 1.
const { Webhook } = require("standardwebhooks");
const { readFileSync } = require("fs");

const { secret, headers, body, raw } = JSON.parse(readFileSync(0, "utf8"));
try {
	const webhook = raw ? new Webhook(secret, { format: "raw" }) : new Webhook(secret);
	console.log(JSON.stringify(webhook.verify(body, headers)));
} catch (error) {
	console.error(`${error.name}: ${error.message}`);
	process.exit(1);
}
