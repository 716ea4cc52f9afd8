#!/usr/bin/python3
"""The queue's protocol, searched: two instances, every order of steps; one delivery exhaustively, two
to a depth.

A step is one script (whole or not at all), one attempt's outcome, a lease that ends, a crash, or an
answer of Redis that is lost after the script ran.  Invariants, named as in doc/design.md:

  NO-LOSS   what was stored is in its queue until it was delivered, or ended by policy or owner.
  ONE-OWNER of the leases of a delivery that have not ended, at most one is held by somebody who
            would act on it.
  FENCED    a failure or hand-back under another lease than the present one changes nothing.

Run alone it searches the protocol, and then variants with one rule left out each, in which it must
find a violation: a model that finds nothing in them would prove nothing.
"""

import collections
import sys

INSTANCES, DELIVERIES = 2, 2
DEPTH = 6  # of the search with all deliveries; that with one is exhaustive
NONE, WAIT = "-", "w"  # else ("l", token, live): a lease, and whether it still lasts
# In an instance's memory: waiting or on the wire; answered, failed, given up, until Redis has it.
HELD, OK, BAD, BACK = "held", "ok", "bad", "back"

# One delivery: (stored, done, queue, memory); memory has for each instance a sorted tuple of
# (token, phase, live).  The whole: (suspended, deleted, delivery, …).
NEW = (False, False, NONE, ((),) * INSTANCES)


def canonical(delivery):
    """Tokens are only ever compared: numbered anew in the order of their size."""
    stored, done, queue, memory = delivery
    tokens = {t for held in memory for t, _, _ in held}
    if queue[0] == "l":
        tokens.add(queue[1])
    name = {t: n for n, t in enumerate(sorted(tokens))}
    if queue[0] == "l":
        queue = ("l", name[queue[1]], queue[2])
    memory = tuple(tuple(sorted((name[t], p, v) for t, p, v in held)) for held in memory)
    return stored, done, queue, memory


def fresh_token(delivery):
    _, _, queue, memory = delivery
    tokens = [t for held in memory for t, _, _ in held]
    return max(tokens + [queue[1] if queue[0] == "l" else -1, -1]) + 1


def replace(memory, i, old, new):
    held = [e for e in memory[i] if e != old] + ([new] if new else [])
    return memory[:i] + (tuple(sorted(held)),) + memory[i + 1 :]


def lease(delivery, i, most):
    """Publishing and claiming: leased, and held by i if the answer came."""
    _, done, _, memory = delivery
    token = fresh_token(delivery)
    queue = ("l", token, True)
    yield True, done, queue, memory  # the answer is lost
    if len(memory[i]) < most:
        yield True, done, queue, replace(memory, i, None, (token, HELD, True))


def ended_by_instance(delivery, i, entry, suspended, deleted, left_out):
    """Scripts that i sends for one of its entries, each with and without its answer."""
    stored, done, queue, memory = delivery
    token, phase, _ = entry
    mine = queue[0] == "l" and queue[1] == token
    if left_out == "fence":
        mine = queue != NONE
    results = []
    if phase == OK:
        results.append((done, queue if deleted else NONE))
    else:
        results.append((done, WAIT if mine else queue))  # handed back, or to be retried
    if phase == BAD:
        results.append((done or mine, NONE if mine else queue))  # ended by policy
    # without the answer it will say the same again, and starts nothing
    again = (token, BACK if phase == HELD else phase, entry[2])
    for now_done, now_queue in results:
        yield stored, now_done, now_queue, replace(memory, i, entry, again)
        yield stored, now_done, now_queue, replace(memory, i, entry, None)


def delivery_steps(delivery, suspended, deleted, left_out, most):
    stored, done, queue, memory = delivery
    if queue[0] == "l" and queue[2]:  # its time is over, for whoever holds it too
        over = tuple(
            tuple(sorted((t, p, v and t != queue[1]) for t, p, v in held)) for held in memory
        )
        yield stored, done, ("l", queue[1], False), over
    due = queue == WAIT or (queue[0] == "l" and not queue[2])
    if left_out == "lease":
        due = queue != NONE
    if suspended and due:
        yield stored, True, NONE, memory  # swept
    for i in range(INSTANCES):
        if not stored and not deleted and not suspended:
            yield from lease(delivery, i, most)
            yield True, done, WAIT, memory  # no room here
        if stored and due and not suspended:
            yield from lease(delivery, i, most)
        for entry in memory[i]:
            token, phase, live = entry
            if phase == HELD:
                yield stored, True, queue, replace(memory, i, entry, (token, OK, live))
                yield stored, done, queue, replace(memory, i, entry, (token, BAD, live))
                if left_out == "ack after 2xx":
                    yield stored, done, NONE, replace(memory, i, entry, None)
            yield from ended_by_instance(delivery, i, entry, suspended, deleted, left_out)


def steps(state, left_out, most):
    suspended, deleted, *deliveries = state
    for n, delivery in enumerate(deliveries):
        for after in delivery_steps(delivery, suspended, deleted, left_out, most):
            now = list(deliveries)
            now[n] = canonical(after)
            yield (suspended, deleted, *now)
    for i in range(INSTANCES):  # a crash takes all that an instance holds
        now = [canonical((s, d, q, replace_all(m, i))) for s, d, q, m in deliveries]
        yield (suspended, deleted, *now)
    yield (not suspended, deleted, *deliveries)
    gone = [canonical((s, d or s, NONE, m)) for s, d, _, m in deliveries]
    yield (suspended, True, *gone)


def replace_all(memory, i):
    return memory[:i] + ((),) + memory[i + 1 :]


def broken(state):
    """The invariant that a state violates, or None."""
    for stored, done, queue, memory in state[2:]:
        if stored and not done and queue == NONE:
            return "NO-LOSS"
        live = {(i, t) for i, held in enumerate(memory) for t, p, v in held if v and p == HELD}
        if len(live) > 1:
            return "ONE-OWNER"
    return None


def search(left_out, deliveries, most):
    """(states seen, violated invariant or None, its depth).  most: leases of one delivery that an
    instance has in memory; 2 when it claims again what it lost."""
    first = (False, False) + (NEW,) * deliveries
    seen, todo = {first}, collections.deque([(first, 0)])
    while todo:
        state, depth = todo.popleft()
        violated = broken(state)
        if violated:
            return len(seen), violated, depth
        if deliveries > 1 and depth == DEPTH:
            continue
        for after in steps(state, left_out, most):
            # deliveries are alike: one order of them is enough
            after = after[:2] + tuple(sorted(after[2:], key=repr))
            if after not in seen:
                seen.add(after)
                todo.append((after, depth + 1))
    return len(seen), None, 0


def main():
    status = 0
    searches = [(None, DELIVERIES, 1), (None, 1, 2)]
    searches += [(rule, 1, 2) for rule in ("fence", "lease", "ack after 2xx")]
    for left_out, deliveries, most in searches:
        states, violated, depth = search(left_out, deliveries, most)
        name = "the protocol" if left_out is None else f"without {left_out}"
        found = f"{violated} is violated after {depth} steps" if violated else "nothing is violated"
        print(f"{name}, {deliveries} deliveries: {states} states, {found}")
        if (violated is None) != (left_out is None):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
