// usage: WEBHOOK_SECRET=... node verify.js ID TIMESTAMP SIGNATURE <body
const { createHmac, timingSafeEqual } = require('node:crypto');
const fs = require('node:fs');

const TOLERANCE = 300; // seconds

// Whether a request is from evhookd; body is a Buffer of its bytes, as they came.
function verify(secret, id, timestamp, signatures, body) {
  if (!/^[0-9]{1,15}$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) return false;
  const key = secret.startsWith('whsec_')
    ? Buffer.from(secret.slice('whsec_'.length), 'base64')
    : Buffer.from(secret, 'utf8');
  const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
  const wanted = Buffer.from('v1,' + hmac.digest('base64'));
  // While a secret is being changed there are two signatures, with a space between them.
  let good = false;
  for (const one of signatures.split(' ')) {
    const given = Buffer.from(one);
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) good = true;
  }
  return good;
}

const [id, timestamp, signatures] = process.argv.slice(2);
const good = verify(process.env.WEBHOOK_SECRET, id, timestamp, signatures, fs.readFileSync(0));
console.log(good ? 'good' : 'bad');
process.exitCode = good ? 0 : 1;
