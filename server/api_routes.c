/* The API's routes. */
#include "server/app.h"
#include "server/route.h"

/* clang-format off */
const struct route routes[] = {
	{"GET", "/event/{tenant}/webhooks/list", api_webhook_list, "webhooks", {"read", "list"}, false},
	{"GET", "/event/{tenant}/webhooks/{locator}", api_webhook_get, "webhooks", {"read"}, false},
	{"POST", "/event/{tenant}/webhooks", api_webhook_create, "webhooks", {"write"}, true},
	{"PATCH", "/event/{tenant}/webhooks/{locator}", api_webhook_update, "webhooks", {"write"}, true},
	{"PATCH", "/event/{tenant}/webhooks/{locator}/unsuspend", api_webhook_unsuspend, "webhooks", {"write"}, false},
	{"DELETE", "/event/{tenant}/webhooks/{locator}", api_webhook_delete, "webhooks", {"write"}, false},
	{"POST", "/event/{tenant}/events", api_event_publish, "events", {"write"}, true},
	{"GET", "/event/{tenant}/events/list", api_event_list, "events", {"read", "list"}, false},
	{"GET", "/event/{tenant}/events/{locator}", api_event_get, "events", {"read"}, false},
	{"GET", "/event/{tenant}/events/request/{locator}", api_event_by_request, "events", {"read"}, false},
	{"POST", "/event/{tenant}/webhooks/{locator}/test", api_webhook_test, "webhooks", {"write"}, false},
	{"GET", "/event/{tenant}/webhooks/{locator}/attempts", api_attempt_list, "webhooks", {"read", "list"}, false},
	{"GET", "/event/{tenant}/webhooks/{locator}/diverted", api_diverted_list, "diverted-events", {"read", "list"}, false},
	{"POST", "/event/{tenant}/webhooks/{locator}/diverted/resend", api_diverted_resend_all, "diverted-events", {"resend"}, false},
	{"GET", "/event/{tenant}/webhooks/{locator}/diverted/{locator}", api_diverted_get, "diverted-events", {"read"}, false},
	{"DELETE", "/event/{tenant}/webhooks/{locator}/diverted/{locator}", api_diverted_delete, "diverted-events", {"delete"}, false},
	{"POST", "/event/{tenant}/webhooks/{locator}/diverted/{locator}/resend", api_diverted_resend, "diverted-events", {"resend"}, false},
	{"GET", "/healthz", api_healthz, NULL, {NULL}, false},
	{"GET", "/readyz", api_readyz, NULL, {NULL}, false},
	{"GET", "/metrics", api_metrics, NULL, {NULL}, false},
	{"GET", "/worst", api_worst, NULL, {NULL}, false},
	{"GET", "/config", api_config, NULL, {NULL}, false},
	{"GET", "/openapi.json", api_openapi, NULL, {NULL}, false},
	{NULL, NULL, NULL, NULL, {NULL}, false},
};
/* clang-format on */
