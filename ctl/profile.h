/* Profiles: options under a name, in a file. */
#ifndef CTL_PROFILE_H
#define CTL_PROFILE_H

#include "ctl/ctl.h"

/* What --profile names goes behind the options of the command line.  CTL_OK also without one; else
 * CTL_USAGE and a message. */
int profile_load(struct ctl *ctl);
/* fn for the name of each profile; nothing when there is no file. */
void profile_each(void (*fn)(void *arg, const char *name), void *arg);

#endif
