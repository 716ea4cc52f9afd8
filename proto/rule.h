/* The rules for the single values of a webhook. */
#ifndef PROTO_RULE_H
#define PROTO_RULE_H

#include "proto/shape.h"

#define RULE_TAG_MAX 255         /* bytes */
#define RULE_OVERLAP_MAX 2592000 /* seconds: 30 days */

shape_judge_fn rule_name;
shape_judge_fn rule_event_types;

shape_judge_fn rule_url;
shape_judge_fn rule_secret;
shape_judge_fn rule_tag;
shape_judge_fn rule_overlap;      /* secretOverlapSeconds */
shape_judge_fn rule_headers;      /* a map of names to arrays of values */
shape_judge_fn rule_header_names; /* names to remove: any token will do */

shape_judge_fn rule_triggers;
shape_judge_fn rule_attempts;
shape_judge_fn rule_interval;
shape_judge_fn rule_timeout;
shape_judge_fn rule_retry_type;

shape_judge_fn rule_time; /* of a stored form: ms since 1970 */

#endif
