// Drives evhookd with the client of openapi-generator's typescript-fetch.
import assert from "node:assert/strict";
import {
  Configuration, DivertedEventsApi, EventsApi, ResponseError, WebhooksApi,
} from "./typescript/index.js";

const { URL: basePath, TOKEN: accessToken, TENANT: tenant, ENDPOINT: url } =
  process.env as Record<string, string>;
const tenantLocator = tenant!;
const config = new Configuration({ basePath, accessToken });
const webhooks = new WebhooksApi(config);
const events = new EventsApi(config);
const diverted = new DivertedEventsApi(config);

const made = await webhooks.createWebhook({
  tenantLocator,
  createWebhookRequest: {
    name: "typescript",
    enabled: true,
    endpoint: { url: url!, headers: { "X-A": ["1"] } },
    eventTypes: ["order.*"],
    failureHandling: { divert: true, retryStrategy: { attempts: 1, type: "linear" } },
  },
});
assert.equal(made.suspendedAt, null);
assert.equal(made.failureHandling.retryStrategy?.type, "linear");
const where = { tenantLocator, webhookLocator: made.locator };
const listed = await webhooks.fetchWebhooks({ tenantLocator, name: "typescript" });
assert.deepEqual(listed.items.map((w) => w.locator), [made.locator]);
const changed = await webhooks.updateWebhook({
  ...where,
  updateWebhookRequest: { failureHandling: { removeRetryStrategy: true } },
});
assert.equal(changed.failureHandling.retryStrategy, null);

const timestamp = new Date("2026-11-23T07:21:00Z");
const stored = await events.publishEvents({
  tenantLocator,
  publishRequest: { type: "order.paid", data: { order: 1042 }, timestamp },
});
assert(!Array.isArray(stored));
assert.deepEqual(stored.data, { order: 1042 });
assert.equal(stored.timestamp.getTime(), timestamp.getTime());
const several = await events.publishEvents({
  tenantLocator,
  publishRequest: [1, 2].map((order) => ({ type: "order.paid", data: { order } })),
});
assert(Array.isArray(several) && several.length === 2);
assert.deepEqual(several[1]!.data, { order: 2 });
const page = await events.fetchMultipleEvents({
  tenantLocator, startTimestamp: new Date(Date.now() - 300000), order: "desc", pageSize: 1,
});
assert.deepEqual(page.events[0]!.data, { order: 2 });

const until = Date.now() + 30000;
while ((await diverted.fetchMultipleDivertedEvents(where)).length < 3) {
  assert(Date.now() < until, "nothing is diverted");
}
const eventLocator = stored.locator;
const kept = await diverted.fetchDivertedEvent({ ...where, eventLocator });
assert.deepEqual(kept.event.data, { order: 1042 });
await diverted.resendDivertedEvent({ ...where, eventLocator });
assert((await diverted.resendDivertedEvents(where)).completed);
await webhooks.deleteWebhook(where);
const refusal: unknown = await webhooks.fetchWebhook(where).catch((e) => e);
assert(refusal instanceof ResponseError);
const problem = await refusal.response.json();
assert.equal(problem.status, 404);
assert.equal(problem.title, "Not Found");
