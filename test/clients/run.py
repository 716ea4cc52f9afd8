#!/usr/bin/python3
"""Makes clients of what evhookd gives out at /openapi.json, by the commands of doc/api.md, and drives
evhookd with each: run.py python|go|typescript|java

All is made in build-clients/.  Ends with 77 and one line where the tool is not to be had.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "it"))

import tokens  # noqa: E402
from harness import Evhookd, RedisServer  # noqa: E402
from receivers import Answer, Receiver  # noqa: E402

# The client of openapi-generator, then that of the other generator.
DRIVE = {
    "python": ["venv/bin/python {here}/drive_python.py", "venv/bin/python {here}/drive_python_small.py"],
    "go": ["go run {here}/drive_go.go", "go run {here}/drive_go_small.go"],
    "typescript": ["node drive.js", "node drive_small.js"],
    "java": ["java -cp java/target/classes:java/target/lib/* {here}/Drive.java"],
}
# What has to be done for a driver before and after the commands of the document.
BEFORE = {"go": "go mod init example.com/app", "typescript": "echo '{\"type\": \"module\"}' >package.json"}
AFTER = {
    "typescript": "cp {here}/drive*.ts . && npm install --silent @types/node@20.19.9 &&"
    " npx tsc --strict --noUncheckedIndexedAccess --target es2022 --module nodenext drive*.ts",
    "java": "mvn -q -f java/pom.xml"
    " org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    " -DincludeScope=runtime -DoutputDirectory=target/lib",
}
GO_NEEDED = (1, 25)


def commands(title):
    """The blocks of shell under a title of doc/api.md."""
    text = (TOP / "doc" / "api.md").read_text()
    section = re.split(r"\n##+ ", text.split(f"# {title}\n")[1])[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    assert blocks, title
    return blocks


def lacking(language):
    """What is not there, in words."""
    programs = {"python": ["python3"], "go": ["go"], "typescript": ["node", "npm"], "java": []}
    for program in ["java", "mvn", *programs[language]]:
        if not shutil.which(program):
            return f"there is no {program}"
    if language == "go":
        said = subprocess.run(["go", "env", "GOVERSION"], stdout=subprocess.PIPE, text=True).stdout
        version = tuple(int(n) for n in re.findall(r"\d+", said)[:2])
        if version < GO_NEEDED:
            return f"{said.strip()} is older than Go {'.'.join(map(str, GO_NEEDED))}, which oapi-codegen needs"
    return None


def shell(text, folder, **env):
    print("\n".join("  " + line for line in text.strip().splitlines()), flush=True)
    subprocess.run(["bash", "-ec", text], cwd=folder, check=True, env={**os.environ, **env})


def make(language, folder, port):
    title = {"go": "Go", "typescript": "TypeScript"}.get(language, language.title())
    start = commands("Making a client")[0].replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    env = {"PIP_CONSTRAINT": str(HERE / "constraints.txt"), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    shell(start, folder)
    if language in BEFORE:
        shell(BEFORE[language], folder)
    for block in commands(f"A client in {title}"):
        shell(block, folder, **env)
    if language in AFTER:
        shell(AFTER[language].format(here=HERE), folder, **env)


def main(language):
    missing = lacking(language)
    if missing:
        print(f"clients in {language}: {missing}")
        return 77
    folder = TOP / "build-clients" / language
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    redis = RedisServer()
    try:
        with tempfile.TemporaryDirectory() as scratch, Receiver(default=Answer(500)) as receiver:
            key = tokens.hmac_key(pathlib.Path(scratch) / "key", os.urandom(32))
            evhookd = Evhookd(redis=redis, auth_key=key.file, log_level="warn")
            make(language, folder, evhookd.port)
            for drive in DRIVE[language]:
                shell(
                    drive.format(here=HERE),
                    folder,
                    GOTOOLCHAIN="local",
                    GOFLAGS="-mod=mod",
                    URL=f"http://127.0.0.1:{evhookd.port}",
                    TOKEN=key.all(),
                    TENANT=str(uuid.uuid4()),
                    ENDPOINT=receiver.url(),
                )
            evhookd.close()
    finally:
        redis.close()
    return 0


if len(sys.argv) != 2 or sys.argv[1] not in DRIVE:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1]))
