/* The description of the API (doc/openapi.yaml) as JSON. */
#ifndef SERVER_OPENAPI_JSON_H
#define SERVER_OPENAPI_JSON_H

#include <stddef.h>

extern const char openapi_json[];
extern const size_t openapi_json_len; /* bytes */

#endif
