// The peer: fastify takes the event, BullMQ keeps it in Redis and retries, undici delivers it with a
// Standard Webhooks signature.  One process, one core, like evhookd.  The one webhook is held in
// memory, which spares this program the look-up that evhookd makes; jobs that are done are removed,
// which spares it the record of attempts that evhookd keeps.
// Usage: node server.js PORT REDIS-SOCKET SINK-URL
'use strict';

const { createHmac, randomBytes } = require('node:crypto');
const { Queue, Worker } = require('bullmq');
const { Pool } = require('undici');
const fastify = require('fastify');

const [port, path, sink] = process.argv.slice(2);
const target = new URL(sink);
const key = randomBytes(32);
const connection = { path, maxRetriesPerRequest: null };
const pool = new Pool(target.origin, { connections: 64, pipelining: 1 });
const counts = { accepted: 0, delivered: 0, failed: 0 };

const queue = new Queue('events', {
	connection,
	defaultJobOptions: {
		attempts: 4,
		backoff: { type: 'exponential', delay: 10000 },
		removeOnComplete: true,
	},
});

async function deliver(job) {
	const body = JSON.stringify(job.data);
	const seconds = Math.floor(Date.now() / 1000);
	const signature = createHmac('sha256', key).update(`${job.id}.${seconds}.${body}`).digest('base64');
	const answer = await pool.request({
		method: 'POST',
		path: target.pathname,
		headers: {
			'content-type': 'application/json',
			'user-agent': 'peer',
			'webhook-id': job.id,
			'webhook-timestamp': String(seconds),
			'webhook-signature': `v1,${signature}`,
			'webhook-event-type': job.data.type,
		},
		body,
	});
	await answer.body.dump();
	if (answer.statusCode < 200 || answer.statusCode > 299) {
		throw new Error(`status ${answer.statusCode}`);
	}
}

const worker = new Worker('events', deliver, { connection, concurrency: 64 });
worker.on('completed', () => counts.delivered++);
worker.on('failed', () => counts.failed++);
worker.on('error', (error) => console.error(error.message));

const app = fastify({ logger: false });
const schema = {
	body: {
		type: 'object',
		required: ['type', 'data'],
		properties: { type: { type: 'string' }, data: { type: 'object' } },
	},
};

app.post('/events', { schema }, async (request, reply) => {
	const { type, data } = request.body;
	const event = { type, timestamp: new Date().toISOString(), data };
	const job = await queue.add(type, event);
	counts.accepted++;
	reply.code(201);
	return { locator: job.id, ...event };
});
app.get('/counts', async () => counts);

app.listen({ host: '127.0.0.1', port: Number(port) });
