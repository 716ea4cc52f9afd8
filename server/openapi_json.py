#!/usr/bin/python3
"""Makes openapi_json.c of doc/openapi.yaml, when evhookd is built: openapi_json.py doc/openapi.yaml >…"""

import json
import sys

import yaml

HEAD = """\
/* The description of the API as JSON: made of doc/openapi.yaml. */
#include "server/openapi_json.h"

/* clang-format off */
const char openapi_json[] ="""
TAIL = """;
/* clang-format on */
const size_t openapi_json_len = sizeof openapi_json - 1;
"""
WIDTH = 150


def literal(text):
    """A piece of a C string; a backslash before "?" keeps the compiler from seeing trigraphs."""
    for c in '\\"?':
        text = text.replace(c, "\\" + c)
    return f'\n\t"{text}"'


def main(path):
    with open(path, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    pieces = [literal(text[i : i + WIDTH]) for i in range(0, len(text), WIDTH)]
    sys.stdout.write(HEAD + "".join(pieces) + TAIL)


main(sys.argv[1])
