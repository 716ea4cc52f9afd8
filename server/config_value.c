/* Values of options: parsing, storing, naming faults. */
#include "server/config_value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/redisuri.h"

#define QUOTE_MAX 120 /* bytes of a faulty value that a message repeats */

/* Units, smallest first: each a multiple of the one before it. */
struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
static const struct unit sizes[] = {
    {"", 1}, {"k", INT64_C(1) << 10}, {"M", INT64_C(1) << 20}, {"G", INT64_C(1) << 30}, {NULL, 0}};
static const struct unit times[] = {
    {"ms", 1}, {"", 1000}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

void
config_value_quote(struct buf *out, const char *s)
{
	size_t n = strlen(s);

	buf_addc(out, '"');
	for (size_t i = 0; i < n && i < QUOTE_MAX; i++) {
		unsigned char c = (unsigned char)s[i];

		buf_addc(out, c < 0x20 || c == 0x7f ? '?' : s[i]);
	}
	buf_adds(out, n > QUOTE_MAX ? "...\"" : "\"");
}

/* Whole digits and a unit; beyond int64 it is INT64_MAX.  0 or -1. */
static int
config_value_number(const char *s, const struct unit *units, int64_t *n)
{
	const char *start = s;

	*n = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, *s - '0', n))
			*n = INT64_MAX;
	if (s == start)
		return -1;
	for (; units->name; units++)
		if (!strcmp(units->name, s)) {
			if (__builtin_mul_overflow(*n, units->factor, n))
				*n = INT64_MAX;
			return 0;
		}
	return -1;
}

/* A bound in its largest unit without a remainder. */
static void
config_value_bound(struct buf *out, int64_t n, const struct unit *units)
{
	const struct unit *best = units;

	for (; units->name; units++)
		if (n % units->factor == 0 && n >= units->factor)
			best = units;
	buf_addi(out, n / best->factor);
	if (n)
		buf_adds(out, best->name);
}

static int
config_value_bounded(const struct config_option *option, const char *text, const struct unit *units,
    const char *what, int64_t *n, struct buf *why)
{
	int64_t value;

	if (config_value_number(text, units, &value)) {
		buf_adds(why, "must be ");
		buf_adds(why, what);
		buf_adds(why, ", not ");
		config_value_quote(why, text);
		return -1;
	}
	if (value < option->min || value > option->max) {
		buf_adds(why, "must be from ");
		config_value_bound(why, option->min, units);
		buf_adds(why, " to ");
		config_value_bound(why, option->max, units);
		buf_adds(why, ", not ");
		buf_adds(why, strlen(text) > QUOTE_MAX ? "that much" : text);
		return -1;
	}
	*n = value;
	return 0;
}

static int
config_value_refuse(struct buf *why, const char *what, const char *text)
{
	buf_adds(why, "must be ");
	buf_adds(why, what);
	buf_adds(why, ", not ");
	config_value_quote(why, text);
	return -1;
}

static int
config_value_port(const char *s, in_port_t *port)
{
	int64_t n;

	if (config_value_number(s, no_units, &n) || n > 65535)
		return -1;
	*port = htons((uint16_t)n);
	return 0;
}

int
config_value_address(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 1];
	size_t n;

	memset(address, 0, sizeof *address);
	if (!colon)
		return -1;
	n = (size_t)(colon - text);
	if (*text == '[' && n > 1 && colon[-1] == ']') {
		text++;
		n -= 2;
		address->ss_family = AF_INET6;
	} else {
		address->ss_family = AF_INET;
	}
	if (n >= sizeof host)
		return -1;
	memcpy(host, text, n);
	host[n] = '\0';
	if (address->ss_family == AF_INET6)
		return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1
			   ? config_value_port(colon + 1, &in6->sin6_port)
			   : -1;
	return inet_pton(AF_INET, host, &in->sin_addr) == 1
		   ? config_value_port(colon + 1, &in->sin_port)
		   : -1;
}

static int
config_value_check_address(const struct config_option *option, const char *text, struct buf *why)
{
	struct sockaddr_storage address;

	if (config_value_address(text, &address))
		return config_value_refuse(why, "ADDR:PORT or [IPV6-ADDR]:PORT", text);
	/* sin_port and sin6_port are at the same place */
	if (ntohs(((struct sockaddr_in *)&address)->sin_port) < option->min)
		return config_value_refuse(why, "an address with a port from 1 to 65535", text);
	return 0;
}

static void
config_value_add_string(struct config_strings *strings, const char *text)
{
	strings->list = xreallocarray(strings->list, strings->n + 1, sizeof *strings->list);
	strings->list[strings->n++] = xstrdup(text);
}

/* Takes the place of what the field held, or comes after it. */
static int
config_value_string(
    struct config *config, const struct config_option *option, const char *text, struct buf *why)
{
	void *field = (char *)config + option->at;
	const char *fault;

	if (!*text) {
		buf_adds(why, "must not be empty");
		return -1;
	}
	if (option->type == CONFIG_ADDRESS && config_value_check_address(option, text, why))
		return -1;
	if (option->type == CONFIG_REDIS && (fault = redisuri_fault(text))) {
		buf_adds(why, fault);
		return -1;
	}
	if (option->flags & CONFIG_REPEAT) {
		config_value_add_string(field, text);
	} else {
		config_value_clear(config, option);
		*(char **)field = xstrdup(text);
	}
	return 0;
}

static int
config_value_bool(bool *field, const char *text, struct buf *why)
{
	if (strcmp(text, "true") && strcmp(text, "false"))
		return config_value_refuse(why, "true or false", text);
	*field = *text == 't';
	return 0;
}

static const char *const config_deliveries[] = {"all", "failures", "none"};

static int
config_value_deliveries(enum dispatch_log *field, const char *text, struct buf *why)
{
	for (size_t i = 0; i < sizeof config_deliveries / sizeof config_deliveries[0]; i++)
		if (!strcmp(text, config_deliveries[i])) {
			*field = (enum dispatch_log)i;
			return 0;
		}
	return config_value_refuse(why, "all, failures or none", text);
}

static int
config_value_cidr(struct config *config, const char *text, struct buf *why)
{
	struct cidr cidr;

	if (cidr_parse(&cidr, text))
		return config_value_refuse(
		    why, "an address or a network such as 10.0.0.0/8 or fd00::/8", text);
	config->allow_egress = xreallocarray(
	    config->allow_egress, config->nallow_egress + 1, sizeof *config->allow_egress);
	config->allow_egress[config->nallow_egress++] = cidr;
	return 0;
}

int
config_value_set(
    struct config *config, const struct config_option *option, const char *text, struct buf *why)
{
	void *field = (char *)config + option->at;

	switch (option->type) {
	case CONFIG_BOOL:
		return config_value_bool(field, text, why);
	case CONFIG_INT:
		return config_value_bounded(option, text, no_units, "a number", field, why);
	case CONFIG_SIZE:
		return config_value_bounded(
		    option, text, sizes, "a number of bytes, or with k, M or G", field, why);
	case CONFIG_TIME:
		return config_value_bounded(option, text, times,
		    "a number of seconds, or with ms, s, m, h or d", field, why);
	case CONFIG_STRING:
	case CONFIG_ADDRESS:
	case CONFIG_REDIS:
		return config_value_string(config, option, text, why);
	case CONFIG_CIDR:
		return config_value_cidr(config, text, why);
	case CONFIG_LEVEL:
		if (log_level_parse(text, field))
			return config_value_refuse(why, "error, warn, info or debug", text);
		return 0;
	case CONFIG_FORMAT:
		if (log_format_parse(text, field))
			return config_value_refuse(why, "logfmt or json", text);
		return 0;
	case CONFIG_DELIVERIES:
		return config_value_deliveries(field, text, why);
	}
	return -1;
}

static void
config_value_clear_string(char **field, bool secret)
{
	if (*field && secret)
		mem_wipe(*field, strlen(*field));
	free(*field);
	*field = NULL;
}

void
config_value_clear(struct config *config, const struct config_option *option)
{
	void *field = (char *)config + option->at;
	struct config_strings *strings = field;

	if (option->type == CONFIG_CIDR) {
		free(config->allow_egress);
		config->allow_egress = NULL;
		config->nallow_egress = 0;
		return;
	}
	if (option->type != CONFIG_STRING && option->type != CONFIG_ADDRESS &&
	    option->type != CONFIG_REDIS)
		return;
	if (!(option->flags & CONFIG_REPEAT)) {
		config_value_clear_string(field, option->flags & CONFIG_SECRET);
		return;
	}
	for (size_t i = 0; i < strings->n; i++)
		config_value_clear_string(&strings->list[i], option->flags & CONFIG_SECRET);
	free(strings->list);
	strings->list = NULL;
	strings->n = 0;
}
