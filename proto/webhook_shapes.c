/* The properties that requests and stored forms of a webhook may have. */
#include "proto/webhook_internal.h"

/* clang-format off */
#define SHAPE(list) { list, sizeof(list) / sizeof((list)[0]) }
/* clang-format on */
#define REQUIRED true
#define OPTIONAL false

static const struct property retry_properties[] = {
    {"attempts", rule_attempts, NULL, OPTIONAL},
    {"interval", rule_interval, NULL, OPTIONAL},
    {"type", rule_retry_type, NULL, OPTIONAL},
};
static const struct shape retry_shape = SHAPE(retry_properties);

/* CreateWebhookRequest */

static const struct property create_endpoint_properties[] = {
    {"url", rule_url, NULL, REQUIRED},
    {"hmacEnabled", shape_bool, NULL, OPTIONAL},
    {"secret", rule_secret, NULL, OPTIONAL},
    {"secureSsl", shape_bool, NULL, OPTIONAL},
    {"tag", rule_tag, NULL, OPTIONAL},
    {"headers", rule_headers, NULL, OPTIONAL},
    {"timeoutSeconds", rule_timeout, NULL, OPTIONAL},
};
static const struct shape create_endpoint_shape = SHAPE(create_endpoint_properties);

static const struct property create_failure_properties[] = {
    {"triggers", rule_triggers, NULL, OPTIONAL},
    {"retryStrategy", NULL, &retry_shape, OPTIONAL},
    {"alertEndpoint", NULL, &create_endpoint_shape, OPTIONAL},
    {"divert", shape_bool, NULL, OPTIONAL},
    {"suspend", shape_bool, NULL, OPTIONAL},
};
static const struct shape create_failure_shape = SHAPE(create_failure_properties);

static const struct property create_properties[] = {
    {"name", rule_name, NULL, REQUIRED},
    {"enabled", shape_bool, NULL, REQUIRED},
    {"endpoint", NULL, &create_endpoint_shape, REQUIRED},
    {"failureHandling", NULL, &create_failure_shape, OPTIONAL},
    {"eventTypes", rule_event_types, NULL, REQUIRED},
    {"useAutomationPlugin", shape_bool, NULL, OPTIONAL},
};
const struct shape webhook_shape_create = SHAPE(create_properties);

/* UpdateWebhookRequest */

/* clang-format off */
#define UPDATE_ENDPOINT \
	{ "url", rule_url, NULL, OPTIONAL }, \
	{ "hmacEnabled", shape_bool, NULL, OPTIONAL }, \
	{ "secret", rule_secret, NULL, OPTIONAL }, \
	{ "secureSsl", shape_bool, NULL, OPTIONAL }, \
	{ "tag", rule_tag, NULL, OPTIONAL }, \
	{ "timeoutSeconds", rule_timeout, NULL, OPTIONAL }, \
	{ "addHeaders", rule_headers, NULL, OPTIONAL }, \
	{ "removeHeaders", rule_header_names, NULL, OPTIONAL }
/* clang-format on */

static const struct property update_endpoint_properties[] = {
    UPDATE_ENDPOINT,
    {"secretOverlapSeconds", rule_overlap, NULL, OPTIONAL},
};
static const struct shape update_endpoint_shape = SHAPE(update_endpoint_properties);

static const struct property update_alert_properties[] = {UPDATE_ENDPOINT};
static const struct shape update_alert_shape = SHAPE(update_alert_properties);

static const struct property update_failure_properties[] = {
    {"addTriggers", rule_triggers, NULL, OPTIONAL},
    {"removeTriggers", rule_triggers, NULL, OPTIONAL},
    {"retryStrategy", NULL, &retry_shape, OPTIONAL},
    {"removeRetryStrategy", shape_bool, NULL, OPTIONAL},
    {"alertEndpoint", NULL, &update_alert_shape, OPTIONAL},
    {"removeAlertEndpoint", shape_bool, NULL, OPTIONAL},
    {"divert", shape_bool, NULL, OPTIONAL},
    {"suspend", shape_bool, NULL, OPTIONAL},
};
static const struct shape update_failure_shape = SHAPE(update_failure_properties);

static const struct property update_properties[] = {
    {"name", rule_name, NULL, OPTIONAL},
    {"enabled", shape_bool, NULL, OPTIONAL},
    {"endpoint", NULL, &update_endpoint_shape, OPTIONAL},
    {"failureHandling", NULL, &update_failure_shape, OPTIONAL},
    {"removeFailureHandling", shape_bool, NULL, OPTIONAL},
    {"addEventTypes", rule_event_types, NULL, OPTIONAL},
    {"removeEventTypes", rule_event_types, NULL, OPTIONAL},
    {"useAutomationPlugin", shape_bool, NULL, OPTIONAL},
};
const struct shape webhook_shape_update = SHAPE(update_properties);

/* The stored forms: `doc` and `secrets`, and as they were when url and secureSsl stood in `doc` */

/* clang-format off */
#define DOC_ENDPOINT \
	{ "hmacEnabled", shape_bool, NULL, REQUIRED }, \
	{ "timeoutSeconds", rule_timeout, NULL, OPTIONAL }, \
	{ "tag", rule_tag, NULL, REQUIRED }
#define DOC_FAILURE(retry, alert) \
	{ "triggers", rule_triggers, NULL, REQUIRED }, \
	{ "retryStrategy", NULL, retry, OPTIONAL }, \
	{ "alertEndpoint", NULL, alert, OPTIONAL }, \
	{ "divert", shape_bool, NULL, REQUIRED }, \
	{ "suspend", shape_bool, NULL, REQUIRED }
#define DOC(endpoint, failure) \
	{ "name", rule_name, NULL, REQUIRED }, \
	{ "endpoint", NULL, endpoint, REQUIRED }, \
	{ "failureHandling", NULL, failure, REQUIRED }, \
	{ "eventTypes", rule_event_types, NULL, REQUIRED }, \
	{ "useAutomationPlugin", shape_bool, NULL, REQUIRED }
#define SECRETS_ENDPOINT \
	{ "secret", rule_secret, NULL, REQUIRED }, \
	{ "headers", rule_headers, NULL, REQUIRED }
#define SECRETS(endpoint) \
	{ "endpoint", NULL, endpoint, REQUIRED }, \
	{ "alertEndpoint", NULL, endpoint, OPTIONAL }, \
	{ "previousSecret", rule_secret, NULL, REQUIRED }, \
	{ "previousUntil", rule_time, NULL, REQUIRED }
#define DESTINATION \
	{ "secureSsl", shape_bool, NULL, REQUIRED }, \
	{ "url", rule_url, NULL, REQUIRED }
/* clang-format on */

static const struct property doc_endpoint_properties[] = {DOC_ENDPOINT};
static const struct shape doc_endpoint_shape = SHAPE(doc_endpoint_properties);
static const struct property doc_failure_properties[] = {
    DOC_FAILURE(&retry_shape, &doc_endpoint_shape)};
static const struct shape doc_failure_shape = SHAPE(doc_failure_properties);
static const struct property doc_properties[] = {DOC(&doc_endpoint_shape, &doc_failure_shape)};
const struct shape webhook_shape_doc = SHAPE(doc_properties);

static const struct property secrets_endpoint_properties[] = {SECRETS_ENDPOINT, DESTINATION};
static const struct shape secrets_endpoint_shape = SHAPE(secrets_endpoint_properties);
static const struct property secrets_properties[] = {SECRETS(&secrets_endpoint_shape)};
const struct shape webhook_shape_secrets = SHAPE(secrets_properties);

static const struct property old_endpoint_properties[] = {DOC_ENDPOINT, DESTINATION};
static const struct shape old_endpoint_shape = SHAPE(old_endpoint_properties);
/* Documents written before the API was brought in line have the second pair of names. */
static const struct property old_retry_properties[] = {
    {"attempts", rule_attempts, NULL, OPTIONAL},
    {"interval", rule_interval, NULL, OPTIONAL},
    {"type", rule_retry_type, NULL, OPTIONAL},
    {"intervalSeconds", rule_interval, NULL, OPTIONAL},
    {"pattern", rule_retry_type, NULL, OPTIONAL},
};
static const struct shape old_retry_shape = SHAPE(old_retry_properties);

static const struct property old_failure_properties[] = {
    DOC_FAILURE(&old_retry_shape, &old_endpoint_shape)};
static const struct shape old_failure_shape = SHAPE(old_failure_properties);
static const struct property old_doc_properties[] = {DOC(&old_endpoint_shape, &old_failure_shape)};
const struct shape webhook_shape_old_doc = SHAPE(old_doc_properties);

static const struct property old_secrets_endpoint_properties[] = {SECRETS_ENDPOINT};
static const struct shape old_secrets_endpoint_shape = SHAPE(old_secrets_endpoint_properties);
static const struct property old_secrets_properties[] = {SECRETS(&old_secrets_endpoint_shape)};
const struct shape webhook_shape_old_secrets = SHAPE(old_secrets_properties);
