/* Error bodies: RFC 9457 problem documents, and the words for status codes. */
#include "server/problem.h"

#include "proto/json.h"

const char *
problem_title(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 202:
		return "Accepted";
	case 204:
		return "No Content";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 409:
		return "Conflict";
	case 412:
		return "Precondition Failed";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 415:
		return "Unsupported Media Type";
	case 417:
		return "Expectation Failed";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Unknown";
	}
}

void
problem_write(struct buf *out, int status, const char *detail, const char *instance,
    const struct faults *faults)
{
	json_open(out, '{');
	json_key(out, "type");
	json_add_str(out, "about:blank"); /* RFC 9457, 4.2.1: the title is the status' own */
	json_key(out, "title");
	json_add_str(out, problem_title(status));
	json_key(out, "status");
	json_add_int(out, status);
	json_key(out, "detail");
	json_add_str(out, detail);
	json_key(out, "instance");
	json_add_str(out, instance);
	if (faults != NULL) {
		json_key(out, "errors");
		faults_write(faults, out);
	}
	json_close(out, '}');
	buf_addc(out, '\n'); /* for people at a terminal */
}
