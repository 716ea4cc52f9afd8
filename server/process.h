/* What the process denies itself and others. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

/* No core dumps, no reading of its memory by others of the same user; no death by SIGPIPE. */
void process_protect(void);

#endif
