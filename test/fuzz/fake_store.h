/* Stands for the collections of the store in the fuzz target of requests. */
#ifndef TEST_FUZZ_FAKE_STORE_H
#define TEST_FUZZ_FAKE_STORE_H

#include <event2/event.h>

/* The loop in which its answers come, always later. */
extern struct event_base *fake_store_base;

#endif
