/* Event types and subscriptions: what a pattern means. */
#ifndef PROTO_EVENTTYPE_H
#define PROTO_EVENTTYPE_H

#include <stdbool.h>
#include <stddef.h>

#define EVENTTYPE_MAX 128
#define EVENTTYPE_SEGMENTS 16

/* 1 to 16 segments of [A-Za-z0-9_-], joined by dots, at most 128 characters. */
bool eventtype_valid(const char *s, size_t n);
/* A type, or a type followed by ".*" (128 characters in all too), or "*". */
bool subscription_valid(const char *s, size_t n);
/* "policy.*" matches policy.issue and policy.issue.done, not policy. */
bool subscription_matches(const char *pattern, const char *type);

#endif
