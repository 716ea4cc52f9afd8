/* evhookctl: finds the command and runs it. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fds.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/http.h"
#include "ctl/profile.h"

void
ctl_clear(struct ctl *ctl)
{
	http_free(ctl->http);
	if (ctl->token.data != NULL)
		mem_wipe(ctl->token.data, ctl->token.cap);
	buf_clear(&ctl->token);
	for (size_t i = 0; i < ctl->nvalues; i++) {
		char *hidden = ctl->values[i].hidden;

		if (hidden != NULL)
			mem_wipe(hidden, strlen(hidden));
		free(hidden);
	}
	for (size_t i = 0; i < ctl->nprofile; i++) {
		mem_wipe(ctl->profile[i].hidden, strlen(ctl->profile[i].hidden));
		free(ctl->profile[i].hidden);
	}
	free(ctl->profile);
	free(ctl->values);
	free(ctl->words);
}

static int
main_run(struct ctl *ctl)
{
	if (!ctl_is(ctl, "help")) {
		int code = ctl->command->run != cmd_complete ? profile_load(ctl) : CTL_OK;

		return code == CTL_OK ? ctl->command->run(ctl) : code;
	}
	if (ctl->command == NULL)
		help_all(stdout, ctl->nargs > 0 ? ctl->args[0] : NULL);
	else
		help_command(ctl->command);
	return CTL_OK;
}

int
main(int argc, char **argv)
{
	struct ctl ctl = {0};
	int code;

	fds_open_standard();
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("evhookctl " PACKAGE_VERSION);
		return CTL_OK;
	}
	/* A connection that closes early is an error to report; a closed pipe is seen by fflush. */
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_WARN, LOG_LOGFMT);
	code = ctl_parse(&ctl, argc, argv);
	if (code == CTL_OK)
		code = main_run(&ctl);
	ctl_clear(&ctl);
	if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE && code == CTL_OK)
		code = ctl_fail(CTL_FAILED, "cannot write: %s", strerror(errno));
	return code;
}
