#!/usr/bin/python3
"""The queue's protocol, searched: two instances, one delivery or two, every order of steps.

A step is one script (whole or not at all), one attempt's outcome, or a fault: a lease that ends, a
crash, an answer of Redis that is lost after the script ran.  Invariants, named as in doc/design.md:

  NO-LOSS   what was stored is in its queue until it was delivered, or ended by policy or owner.
  ONE-OWNER of the leases of a delivery that have not ended, at most one is held by somebody who
            would act on it.
  FENCED    a failure or hand-back under another lease than the present one changes nothing.

Run alone it searches the protocol, and then variants with one rule left out each, in which it must
find a violation: a model that finds nothing in them would prove nothing.  "long" searches more.

Deliveries meet only in what is common to all: suspension, deletion, crashes.  So the steps of one are
worked out once, and a state of two is a pair of numbers.
"""

import collections
import sys

INSTANCES = 2
SUSPENDED, DELETED = 1, 2  # flags, common to all deliveries
NONE, WAIT = "-", "w"  # else ("l", token, live): a lease, and whether it still lasts
# In an instance's memory: waiting or on the wire; answered, failed, given up, until Redis has it.
HELD, OK, BAD, BACK = "held", "ok", "bad", "back"

# One delivery: (stored, done, queue, memory); memory has for each instance a sorted tuple of
# (token, phase, live).
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
    yield 1, (True, done, queue, memory)  # the answer is lost
    if len(memory[i]) < most:
        yield 0, (True, done, queue, replace(memory, i, None, (token, HELD, True)))


def ended_by_instance(delivery, i, entry, deleted, left_out):
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
        yield 1, (stored, now_done, now_queue, replace(memory, i, entry, again))
        yield 0, (stored, now_done, now_queue, replace(memory, i, entry, None))


def delivery_steps(delivery, suspended, deleted, left_out, most):
    """(1 for a fault, else 0; the delivery after the step), for each step of it alone."""
    stored, done, queue, memory = delivery
    if queue[0] == "l" and queue[2]:  # its time is over, for whoever holds it too
        over = tuple(
            tuple(sorted((t, p, v and t != queue[1]) for t, p, v in held)) for held in memory
        )
        yield 1, (stored, done, ("l", queue[1], False), over)
    due = queue == WAIT or (queue[0] == "l" and not queue[2])
    if left_out == "lease":
        due = queue != NONE
    if suspended and due:
        yield 0, (stored, True, NONE, memory)  # swept
    for i in range(INSTANCES):
        if not stored and not deleted and not suspended:
            yield from lease(delivery, i, most)
            yield 0, (True, done, WAIT, memory)  # no room here
        if stored and due and not suspended:
            yield from lease(delivery, i, most)
        for entry in memory[i]:
            token, phase, live = entry
            if phase == HELD:
                yield 0, (stored, True, queue, replace(memory, i, entry, (token, OK, live)))
                yield 0, (stored, done, queue, replace(memory, i, entry, (token, BAD, live)))
                if left_out == "ack after 2xx":
                    yield 0, (stored, done, NONE, replace(memory, i, entry, None))
            yield from ended_by_instance(delivery, i, entry, deleted, left_out)


def replace_all(memory, i):
    return memory[:i] + ((),) + memory[i + 1 :]


def broken(delivery):
    """The invariant that a delivery violates, or None."""
    stored, done, queue, memory = delivery
    if stored and not done and queue == NONE:
        return "NO-LOSS"
    live = {(i, t) for i, held in enumerate(memory) for t, p, v in held if v and p == HELD}
    return "ONE-OWNER" if len(live) > 1 else None


class Deliveries:
    """The states of one delivery, numbered as they are met, and the steps between them."""

    def __init__(self, left_out, most):
        self.left_out, self.most = left_out, most
        self.numbers, self.states, self.violated = {}, [], []
        self.alone = {}  # (number, flags) to the steps of that delivery
        self.common = {}  # number to what crashes and the deletion make of it
        self.number(NEW)

    def number(self, delivery):
        delivery = canonical(delivery)
        if delivery not in self.numbers:
            self.numbers[delivery] = len(self.states)
            self.states.append(delivery)
            self.violated.append(broken(delivery))
        return self.numbers[delivery]

    def steps(self, number, flags):
        found = self.alone.get((number, flags))
        if found is None:
            after = delivery_steps(
                self.states[number],
                bool(flags & SUSPENDED),
                bool(flags & DELETED),
                self.left_out,
                self.most,
            )
            found = sorted({(fault, self.number(delivery)) for fault, delivery in after})
            self.alone[number, flags] = found
        return found

    def crashes_and_deletion(self, number):
        found = self.common.get(number)
        if found is None:
            stored, done, queue, memory = self.states[number]
            found = [self.number((stored, done, queue, replace_all(memory, i))) for i in range(INSTANCES)]
            found.append(self.number((stored, done or stored, NONE, memory)))
            self.common[number] = found
        return found


def steps(table, flags, numbers):
    """(1 for a fault, else 0; flags; the deliveries' numbers) of each step from a state."""
    for n, number in enumerate(numbers):
        rest = numbers[:n] + numbers[n + 1 :]
        for fault, after in table.steps(number, flags):
            # deliveries are alike: one order of them is enough
            yield fault, flags, tuple(sorted((*rest, after)))
    *crashed, deleted = zip(*map(table.crashes_and_deletion, numbers))
    for after in crashed:  # takes all that an instance holds
        yield 1, flags, tuple(sorted(after))
    yield 0, flags ^ SUSPENDED, numbers
    yield 0, flags | DELETED, tuple(sorted(deleted))


def search(left_out, deliveries, most, faults=None):
    """(states seen, violated invariant or None).  most: leases of one delivery that an instance has
    in memory; 2 when it claims again what it lost.  faults: at most so many, or any number."""
    table = Deliveries(left_out, most)
    first = (0, (0,) * deliveries)
    fewest = {first: 0}  # faults that lead to a state
    todo = collections.deque([(0, *first)])
    while todo:
        so_far, flags, numbers = todo.popleft()
        if fewest[flags, numbers] < so_far:
            continue  # met again with fewer
        for number in numbers:
            if table.violated[number]:
                return len(fewest), table.violated[number]
        for fault, *after in steps(table, flags, numbers):
            after, total = tuple(after), so_far + fault
            if faults is not None and total > faults:
                continue
            if after not in fewest or (faults is not None and total < fewest[after]):
                fewest[after] = total
                # those with fewer faults first, so that hardly any is met twice
                (todo.append if fault else todo.appendleft)((total, *after))
    return len(fewest), None


def main(names):
    status = 0
    searches = [(None, 2, 1, None), (None, 2, 2, 2), (None, 1, 2, None)]
    if names == ["long"]:
        searches = [(None, 2, 2, 4), (None, 3, 1, 3)]
    searches += [(rule, n, 2, None) for rule in ("fence", "lease", "ack after 2xx") for n in (1, 2)]
    for left_out, deliveries, most, faults in searches:
        states, violated = search(left_out, deliveries, most, faults)
        name = "the protocol" if left_out is None else f"without {left_out}"
        bound = "any number of" if faults is None else f"at most {faults}"
        found = f"{violated} is violated" if violated else "nothing is violated"
        print(
            f"{name}, {deliveries} deliveries, {most} leases each, {bound} faults: "
            f"{states} states, {found}",
            flush=True,
        )
        if (violated is None) != (left_out is None):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
