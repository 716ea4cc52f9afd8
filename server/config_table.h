/* The one table of options, for config.c, config_value.c and config_help.c. */
#ifndef SERVER_CONFIG_TABLE_H
#define SERVER_CONFIG_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The field in struct config is: bool; int64_t (count, bytes, ms); char *, or struct
 * config_strings when repeatable; allow_egress; enum log_level; enum log_format; enum
 * dispatch_log. */
enum config_type {
	CONFIG_BOOL,
	CONFIG_INT,
	CONFIG_SIZE,
	CONFIG_TIME,
	CONFIG_STRING,
	CONFIG_ADDRESS, /* ADDR:PORT, the bounds are the port's */
	CONFIG_REDIS,   /* a URI */
	CONFIG_CIDR,
	CONFIG_LEVEL,
	CONFIG_FORMAT,
	CONFIG_DELIVERIES
};

enum config_flag {
	CONFIG_REPEAT = 1,   /* may be given several times; EVHOOK_ splits it at commas */
	CONFIG_RELOAD = 2,   /* SIGHUP takes over a changed value */
	CONFIG_SECRET = 4,   /* the value never shows in a message */
	CONFIG_EARLY = 8,    /* looked for before everything else */
	CONFIG_NO_FILE = 16, /* not in the --config file */
	CONFIG_NO_ENV = 32   /* not in the environment */
};

struct config_option {
	const char *group; /* heading in --help, with the first option of a group */
	const char *name;
	enum config_type type;
	const char *arg;   /* placeholder; NULL for CONFIG_BOOL */
	const char *deflt; /* as text; NULL for none */
	const char *help;
	size_t at; /* offset into struct config */
	int64_t min, max;
	unsigned flags;
};

#define CONFIG_OPTIONS_MAX 64

extern const struct config_option config_table[];
extern const size_t config_table_len;

/* The option of that name, n bytes; NULL when there is none. */
const struct config_option *config_table_find(const char *name, size_t n);

#endif
