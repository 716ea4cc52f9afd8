/* What libevent says goes into our log. */
#ifndef SERVER_LIBEVENT_LOG_H
#define SERVER_LIBEVENT_LOG_H

void libevent_log_setup(void); /* after log_setup() */

#endif
