/* The configuration as it is, and where each value came from; secrets are left out. */
#include "server/config_show.h"

#include "proto/json.h"
#include "server/config_table.h"

static void
config_show_value(const struct config *config, size_t i, struct buf *out)
{
	const struct config_option *option = &config_table[i];
	const void *field = (const char *)config + option->at;
	const struct config_strings *texts = &config->given[i].texts;

	if (option->type == CONFIG_BOOL) {
		json_add_bool(out, *(const bool *)field);
		return;
	}
	if (option->flags & CONFIG_REPEAT) {
		json_open(out, '[');
		for (size_t k = 0; k < texts->n; k++)
			json_add_str(out, texts->list[k]);
		json_close(out, ']');
	} else if (texts->n == 0) {
		json_add_null(out);
	} else if (option->type == CONFIG_INT) {
		json_add_int(out, *(const int64_t *)field);
	} else {
		json_add_str(out, texts->list[0]);
	}
}

void
config_show(const struct config *config, struct buf *json)
{
	json_open(json, '{');
	json_key(json, "options");
	json_open(json, '[');
	for (size_t i = 0; i < config_table_len; i++) {
		const struct config_option *option = &config_table[i];

		if (option->flags & CONFIG_NO_ENV)
			continue; /* what is for one start alone */
		json_open(json, '{');
		json_key(json, "name");
		json_add_str(json, option->name);
		json_key(json, "value");
		config_show_value(config, i, json);
		json_key(json, "from");
		if (config->given[i].from != NULL)
			json_add_str(json, config->given[i].from);
		else
			json_add_null(json);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}
