/* What attempts came to. */
#include "deliver/tally.h"

const char *
tally_kind_name(enum tally_kind kind)
{
	static const char *const names[] = {"event", "alert", "test"};

	return names[kind];
}

const char *
tally_outcome_name(enum tally_outcome outcome)
{
	static const char *const names[] = {
	    "delivered", "retrying", "diverted", "dropped", "failed", "moot"};

	return names[outcome];
}

const char *
tally_trigger_name(enum tally_trigger trigger)
{
	static const char *const names[] = {"", "4xx", "5xx", "timeout", "disabled", "suspended"};

	return names[trigger];
}

enum tally_trigger
tally_trigger_of(int status)
{
	if (status == 0)
		return TALLY_TIMEOUT;
	return status < 500 ? TALLY_4XX : TALLY_5XX;
}
