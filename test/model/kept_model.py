#!/usr/bin/python3
"""Where an event's bytes stand, searched: one event, two webhooks, two trimmers, every order of steps.

A step is one script, whole or not at all.  A trimmer asks one webhook at a step, and may die between
two steps; then another one begins anew.  Invariants, named as in doc/design.md:

  NO-LOSS   what a webhook owes or has diverted is in the stream, or kept and named as its need.
  NO-LEAK   what is kept is needed by somebody, or by a deleted webhook that is still being worked off.
  COUNTED   the number of an event is that of the webhooks that need it.

Run alone it searches the protocol, and then variants with one rule left out each, in which it must
find a violation.
"""

import collections
import sys

HOOKS = TRIMMERS = 2
QUEUED, DIVERTED, NOTHING, DELETED = "q", "d", "-", "x"
# A state: (in the stream, kept, number, state of each webhook, its need, where each trimmer is).
FIRST = (True, False, 0, (QUEUED,) * HOOKS, (False,) * HOOKS, (0,) * TRIMMERS)


def put(values, i, value):
    return values[:i] + (value,) + values[i + 1 :]


def let_go(kept, number, needs, i, left_out):
    """Webhook i does not need the event any more."""
    if not needs[i] and left_out != "need":
        return kept, number, needs
    number -= 1
    return kept and number > 0, max(number, 0), put(needs, i, False)


def trim(state, t, left_out):
    """The next step of trimmer t: asks a webhook, and with the last one cuts the stream."""
    stream, kept, number, hooks, needs, places = state
    at = places[t]
    if not stream:
        return stream, kept, number, hooks, needs, put(places, t, 0)
    if hooks[at] in (QUEUED, DIVERTED) and not needs[at]:
        kept, number, needs = True, number + 1, put(needs, at, True)
    elif hooks[at] in (QUEUED, DIVERTED) and left_out == "set":
        number += 1
    if left_out == "ask all" or at == HOOKS - 1:
        return False, kept, number, hooks, needs, put(places, t, 0)
    return stream, kept, number, hooks, needs, put(places, t, at + 1)


def steps(state, left_out):
    stream, kept, number, hooks, needs, places = state
    for i, hook in enumerate(hooks):
        gone = let_go(kept, number, needs, i, left_out)
        if hook == QUEUED:
            yield stream, kept, number, put(hooks, i, DIVERTED), needs, places
            yield (stream, *gone[:2], put(hooks, i, NOTHING), gone[2], places)  # delivered, dropped
        if hook == DIVERTED:
            yield stream, kept, number, put(hooks, i, QUEUED), needs, places  # sent again
            yield (stream, *gone[:2], put(hooks, i, NOTHING), gone[2], places)
        if hook != DELETED:
            yield stream, kept, number, put(hooks, i, DELETED), needs, places
        elif needs[i]:
            yield (stream, *gone[:2], hooks, gone[2], places)  # worked off
    for t in range(TRIMMERS):
        yield trim(state, t, left_out)
        yield stream, kept, number, hooks, needs, put(places, t, 0)  # it died


def broken(state):
    stream, kept, number, hooks, needs, _ = state
    for hook, need in zip(hooks, needs, strict=True):
        if hook in (QUEUED, DIVERTED) and not stream and not (kept and need):
            return "NO-LOSS"
    if kept and not any(needs):
        return "NO-LEAK"
    return "COUNTED" if number != sum(needs) else None


def search(left_out):
    """(states seen, violated invariant or None)"""
    seen, todo = {FIRST}, collections.deque([FIRST])
    while todo:
        state = todo.popleft()
        if broken(state):
            return len(seen), broken(state)
        for after in steps(state, left_out):
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return len(seen), None


def main():
    status = 0
    for left_out in (None, "ask all", "need", "set"):
        states, violated = search(left_out)
        name = "the protocol" if left_out is None else f"without {left_out}"
        found = f"{violated} is violated" if violated else "nothing is violated"
        print(f"{name}: {states} states, {found}", flush=True)
        if (violated is None) != (left_out is None):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
