/* What attempts came to, counted: by kind, outcome and trigger, never by webhook or tenant. */
#ifndef DELIVER_TALLY_H
#define DELIVER_TALLY_H

#include "base/histogram.h"

enum tally_kind { TALLY_EVENT, TALLY_ALERT, TALLY_TEST, TALLY_KINDS };

enum tally_outcome {
	TALLY_DELIVERED,
	TALLY_RETRYING,
	TALLY_DIVERTED,
	TALLY_DROPPED,
	TALLY_FAILED,
	TALLY_MOOT, /* failed, but the lease was another's by then, or the webhook was deleted */
	TALLY_OUTCOMES
};

enum tally_trigger {
	TALLY_NO_TRIGGER,
	TALLY_4XX, /* and 3xx, as in the webhooks' triggers */
	TALLY_5XX,
	TALLY_TIMEOUT, /* no answer, for whatever reason */
	TALLY_DISABLED,
	TALLY_SUSPENDED,
	TALLY_TRIGGERS
};

struct tally {
	uint64_t attempts[TALLY_KINDS][TALLY_OUTCOMES][TALLY_TRIGGERS];
	/* From the event's acceptance to the 2xx that ended its delivery: at the first attempt, and
	 * at a later one.  Neither alerts nor tests. */
	struct histogram first;
	struct histogram later;
};

const char *tally_kind_name(enum tally_kind kind);
const char *tally_outcome_name(enum tally_outcome outcome);
const char *tally_trigger_name(enum tally_trigger trigger); /* "" for none */
/* The trigger of a failure by its status, 0 for no answer. */
enum tally_trigger tally_trigger_of(int status);

#endif
