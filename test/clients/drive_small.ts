// Drives evhookd with openapi-fetch, by the types of openapi-typescript.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./evhookd.js";

const { URL: baseUrl, TOKEN: token, TENANT: tenant, ENDPOINT: url } =
  process.env as Record<string, string>;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const path = { tenantLocator: tenant! };

const { data: made } = await client.POST("/event/{tenantLocator}/webhooks", {
  params: { path },
  body: {
    name: "small", enabled: true, endpoint: { url: url! }, eventTypes: ["order.*"],
    failureHandling: { divert: true },
  },
});
const where = { ...path, webhookLocator: made!.locator };
const { data: listed } = await client.GET("/event/{tenantLocator}/webhooks/list", {
  params: { path, query: { name: "small" } },
});
assert.deepEqual(listed!.items.map((w) => w.locator), [made!.locator]);
const { data: changed } = await client.PATCH("/event/{tenantLocator}/webhooks/{webhookLocator}", {
  params: { path: where },
  body: { addEventTypes: ["x"] },
});
assert.deepEqual(changed!.eventTypes, ["order.*", "x"]);

const one = { type: "order.paid", data: { order: 1042 } };
const { data: stored } = await client.POST("/event/{tenantLocator}/events", {
  params: { path }, body: one,
});
assert(stored && !Array.isArray(stored));
const { data: several } = await client.POST("/event/{tenantLocator}/events", {
  params: { path }, body: [one, one],
});
assert(Array.isArray(several) && several.length === 2);

const until = Date.now() + 30000;
for (let n = 0; n < 3;) {
  const { data } = await client.GET("/event/{tenantLocator}/webhooks/{webhookLocator}/diverted", {
    params: { path: where },
  });
  n = data!.length;
  assert(Date.now() < until, "nothing is diverted");
}
const event = { path: { ...where, eventLocator: stored.locator } };
const at = "/event/{tenantLocator}/webhooks/{webhookLocator}/diverted/{eventLocator}";
const { data: kept } = await client.GET(at, { params: event });
assert.deepEqual(kept!.event.data, { order: 1042 });
const { response: again } = await client.POST(`${at}/resend`, { params: event });
assert.equal(again.status, 200);
await client.DELETE("/event/{tenantLocator}/webhooks/{webhookLocator}", { params: { path: where } });
const { error } = await client.GET("/event/{tenantLocator}/webhooks/{webhookLocator}", {
  params: { path: where },
});
assert.equal(error!.status, 404);
