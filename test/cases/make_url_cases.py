#!/usr/bin/env python3
"""Writes test/unit/url_cases.h from test/cases/ssrf.json; run it after changing the latter."""

import json
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[2]


def c_string(text):
    """A C string literal of the text's UTF-8; octal escapes end by themselves after three."""
    out = ""
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out += "\\" + char
        elif 32 <= byte < 127 and char != "?":  # ? could begin a trigraph
            out += char
        else:
            out += f"\\{byte:03o}"
    return f'"{out}"'


def main():
    cases = json.loads((TOP / "test/cases/ssrf.json").read_text())
    lines = [
        "/* Made by test/cases/make_url_cases.py from test/cases/ssrf.json: do not edit. */",
        "/* clang-format off */",
        "static const char *const url_blocks[] = {",
        *(f"\t{c_string(block['net'])}," for block in cases["blocks"]),
        "};",
        "",
        "enum url_result { URL_SYNTAX, URL_ADDRESS, URL_ACCEPT };",
        "static const struct {",
        "\tconst char *url;",
        "\tsize_t n;",
        "\tenum url_result result;",
        "} url_cases[] = {",
    ]
    for case in cases["urls"]:
        n = len(case["url"].encode())
        result = "URL_" + case["result"].upper()
        lines.append(f"\t{{{c_string(case['url'])}, {n}, {result}}},")
    lines += ["};", "/* clang-format on */", ""]
    (TOP / "test/unit/url_cases.h").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
