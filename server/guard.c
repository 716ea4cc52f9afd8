/*
 * Without keys: whoever can connect may use the API, and a browser on this machine can connect.
 * What tells its requests apart is what a page cannot choose (Fetch, section 3): Host, Origin and
 * Sec-Fetch-Site.  A page of another site sends its own Origin; one whose name was rebound to
 * our address (DNS rebinding) counts as the same site, but sends that name as Host.
 */
#include "server/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

/* Whether a Host, whose form is known to be right, is an address or localhost, with any port.  An
 * empty one is from no browser. */
static bool
guard_is_local(const char *host)
{
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	char name[INET6_ADDRSTRLEN + 1];
	struct in_addr v4;

	if (*host == '[' || n == 0) /* wire.c: then it is an IPv6 address */
		return true;
	if (n == 9 && strncasecmp(host, "localhost", 9) == 0)
		return true;
	if (n >= sizeof name)
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	return inet_pton(AF_INET, name, &v4) == 1;
}

/* Whether an Origin is that of pages at this Host. */
static bool
guard_is_same(const char *origin, const char *host)
{
	const char *authority = strstr(origin, "://");

	return authority != NULL && host != NULL && *host != '\0' &&
	       strcasecmp(authority + 3, host) == 0;
}

const char *
guard_fault(struct call *call, bool any_host)
{
	const char *host = call_header(call, "Host"), *origin = call_header(call, "Origin");
	const char *site = call_header(call, "Sec-Fetch-Site");

	if (!any_host && host != NULL && !guard_is_local(host))
		return "without keys the Host must be localhost or an address: another name may "
		       "be a web page's that leads here. Give --auth-key, or --no-auth to allow "
		       "any Host";
	if (site != NULL && strcasecmp(site, "cross-site") == 0)
		return "the request comes from a web page of another site (Sec-Fetch-Site), and "
		       "there are no keys";
	/* a proxy may have changed the Host, and what the browser says is as good */
	if (any_host && site != NULL && strcasecmp(site, "same-origin") == 0)
		return NULL;
	if (origin != NULL && !guard_is_same(origin, host))
		return "the request comes from a web page of another origin (Origin is not "
		       "Host), and there are no keys";
	return NULL;
}
