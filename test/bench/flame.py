"""Flame graphs of evhookd under load: where its time goes, call by call, as doc/bench/flame*.svg.

perf takes the stacks.  A frame is as wide as its share of the samples; what it calls stands on it.
"""

import html
import re
import subprocess
import time

import lab
import load
import parts

SECONDS = 4
FREQUENCY = 499
WIDTH, ROW, LEAST = 1200, 17, 0.0015  # pixels; narrower shares are left out
FRAME = re.compile(r"^\s*[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$")
COLOURS = (("kernel", "#e8a25c"), ("evhookd", "#7aa6da"), ("libcrypto", "#b294bb"),
           ("", "#a3c585"))  # of the file's name
GRAPHS = {
    "flame": ("one event a request, 64 connections", lambda: parts.chain_part()[0]),
    "flame-array": ("arrays of 100 events, 16 connections", lambda: parts.array_part()[1]),
}


class Frame:
    """A function below certain callers."""

    def __init__(self, name, file):
        self.name, self.file = name, file
        self.samples, self.children = 0, {}

    def child(self, name, file):
        return self.children.setdefault((name, file), Frame(name, file))

    def depth(self):
        return 1 + max((child.depth() for child in self.children.values()), default=0)


def read_stacks(text):
    """The tree of what perf script prints: stacks from the innermost frame outwards."""
    root = Frame("all", "")
    for sample in text.split("\n\n"):
        frames = [match.groups() for match in map(FRAME.match, sample.splitlines()) if match]
        if not frames:
            continue
        at = root
        at.samples += 1
        for name, file in reversed(frames):
            at = at.child(name.strip("[]"), file.strip("[]").rsplit("/", 1)[-1])
            at.samples += 1
    return root


def colour(file):
    return next(value for part, value in COLOURS if part in file)


def draw_frame(frame, x, level, total, height, out):
    width = WIDTH * frame.samples / total
    if width < WIDTH * LEAST:
        return
    y = height - (level + 1) * ROW
    share = 100 * frame.samples / total
    name = html.escape(frame.name)
    label = name if width > 7 * len(frame.name) + 6 else ""
    title = f"{name} ({html.escape(frame.file)}), {share:.1f} %" if frame.file else name
    out.append(f'<g><title>{title}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" '
               f'height="{ROW - 1}" fill="{colour(frame.file)}"/>'
               f'<text x="{x + 3:.1f}" y="{y + 12}">{label}</text></g>')
    for child in sorted(frame.children.values(), key=lambda child: -child.samples):
        draw_frame(child, x, level + 1, total, height, out)
        x += WIDTH * child.samples / total


def draw(root, title):
    height = ROW * (root.depth() + 2)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" '
           f'fill="white"/><text x="4" y="14" font-size="13">{html.escape(title)}</text>']
    draw_frame(root, 0, 0, root.samples, height, out)
    return "\n".join([*out, "</svg>", ""])


def record(variant, where):
    """Stacks of evhookd while the variant's load is on it, as perf script prints them."""
    options = variant.services(where)
    target = parts.targets.Evhookd(where, *options)
    what = {**variant.what, **variant.webhooks(where, target)}
    data = where.dir / "perf.data"
    with load.Background(where, target, SECONDS + 3, **what):
        time.sleep(1)
        done = subprocess.run(
            ["perf", "record", "-q", "-F", str(FREQUENCY), "--call-graph", "dwarf,16384", "-p",
             str(target.pid), "-o", str(data), "--", "sleep", str(SECONDS)],
            capture_output=True, text=True, check=False)
    if done.returncode or not data.exists():
        raise lab.Trouble(f"perf record: {done.stderr.strip()[:300]}")
    return subprocess.run(["perf", "script", "-i", str(data), "-F", "ip,sym,dso"],
                          capture_output=True, text=True, check=True).stdout


def main(folder):
    lab.prepare()
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, variant) in GRAPHS.items():
        print(f"  recording {name}: {title} …", flush=True)
        lab.wait_quiet()
        with lab.Lab() as where:
            root = read_stacks(record(variant(), where))
        if not root.samples:
            raise lab.Trouble("perf took no sample")
        (folder / f"{name}.svg").write_text(draw(root, f"evhookd, {title}: {root.samples} samples"))
        print(f"  written to {folder.name}/{name}.svg")
