"""Horn clauses over terms, and the question which facts can be derived from them.

A model is a set of rules ``premises => conclusion``. `saturate` closes it under resolution in the way of Blanchet
(CSFW 2001), which is ProVerif's: a premise ``p(t)`` is resolved unless ``t`` is a variable, so that what an
attacker can build without bound is never built. Once that ends, a fact has a derivation, of whatever length,
exactly if a *solved* rule, one whose premises are all on variables, concludes it. So sessions and sizes of messages
have no bound. What isn't guaranteed is that it ends; if it doesn't, there is no answer.

Nothing here knows a protocol. Terms are written as in Prolog: variables start with an upper-case letter.
"""
# ruff: noqa: INP001

from __future__ import annotations

import heapq
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

__all__ = ["Model", "Saturated", "saturate"]

_TOKEN = re.compile(r"\s*(\w+|[(),])")
_BUDGET = 5_000  # rules; the models here need two thousand at most


class Term:
    """A variable (``name`` is a number) or a function with its arguments. Equal terms are one object."""

    __slots__ = ("args", "ground", "name", "size")
    _all: ClassVar[dict[tuple[object, ...], Term]] = {}

    name: str | int
    args: tuple[Term, ...]
    ground: bool
    size: int

    def __new__(cls, name: str | int, args: tuple[Term, ...] = ()) -> Term:  # noqa: PYI034
        key = (name, *map(id, args))
        found = cls._all.get(key)
        if found is None:
            found = cls._all[key] = super().__new__(cls)
            found.name, found.args = name, args
            found.ground = isinstance(name, str) and all(a.ground for a in args)
            found.size = 1 + sum(a.size for a in args)
        return found

    def __repr__(self) -> str:
        if isinstance(self.name, int):
            return f"V{self.name}"
        return f"{self.name}({', '.join(map(repr, self.args))})" if self.args else self.name


_Substitution = dict[Term, Term]


def _walk(t: Term, s: _Substitution) -> Term:
    while isinstance(t.name, int):
        bound = s.get(t)
        if bound is None:
            return t
        t = bound
    return t


def _apply(t: Term, s: _Substitution, memo: _Substitution) -> Term:
    if t.ground:
        return t
    done = memo.get(t)
    if done is None:
        if isinstance(t.name, int):
            bound = s.get(t)
            done = t if bound is None else _apply(bound, s, memo)
        else:
            done = Term(t.name, tuple(_apply(a, s, memo) for a in t.args))
        memo[t] = done
    return done


def _occurs(v: Term, t: Term, s: _Substitution, seen: set[Term]) -> bool:
    t = _walk(t, s)
    if t is v:
        return True
    if t.ground or t in seen:
        return False
    seen.add(t)
    return any(_occurs(v, a, s, seen) for a in t.args)


def _unify(a: Term, b: Term) -> _Substitution | None:
    s: _Substitution = {}
    todo = [(a, b)]
    done: set[tuple[Term, Term]] = set()
    while todo:
        a, b = todo.pop()
        a, b = _walk(a, s), _walk(b, s)
        if a is b or (a, b) in done:
            continue
        done.add((a, b))
        if isinstance(a.name, int):
            if _occurs(a, b, s, set()):
                return None
            s[a] = b
        elif isinstance(b.name, int):
            if _occurs(b, a, s, set()):
                return None
            s[b] = a
        elif a.name != b.name or len(a.args) != len(b.args) or (a.ground and b.ground):
            return None
        else:
            todo.extend(zip(a.args, b.args, strict=True))
    return s


def _match(pattern: Term, t: Term, s: _Substitution, seen: set[tuple[Term, Term]]) -> bool:
    """Extends ``s`` so that the pattern becomes ``t``; variables of ``t`` are constants here."""
    if isinstance(pattern.name, int):
        return s.setdefault(pattern, t) is t
    if pattern.ground:
        return pattern is t
    if pattern.name != t.name or len(pattern.args) != len(t.args) or pattern.size > t.size:
        return False
    if (pattern, t) in seen:
        return True
    seen.add((pattern, t))
    return all(_match(p, a, s, seen) for p, a in zip(pattern.args, t.args, strict=True))


def _variables(t: Term, into: dict[Term, None], seen: set[Term]) -> None:
    if t.ground or t in seen:
        return
    seen.add(t)
    if isinstance(t.name, int):
        into[t] = None
    for a in t.args:
        _variables(a, into, seen)


def _key(fact: Term) -> tuple[object, object]:
    """Predicate and outermost function: what two facts must share to be unifiable, unless one has a variable there."""
    first = fact.args[0].name if fact.args else None
    return fact.name, None if isinstance(first, int) else first


@dataclass(eq=False, slots=True)
class _Rule:
    premises: tuple[Term, ...]
    head: Term
    names: tuple[str, ...]  # of the model's rules that went into it
    selected: int  # index of the premise to resolve, -1 if solved
    variables: int
    keys: frozenset[tuple[object, object]]
    alive: bool = True

    def __repr__(self) -> str:
        return f"{', '.join(map(repr, self.premises))} => {self.head!r}"


def _is_open(fact: Term) -> bool:
    """A fact on a variable alone, which resolution leaves alone."""
    return len(fact.args) == 1 and isinstance(fact.args[0].name, int)


@dataclass(slots=True)
class Model:
    """Rules. Predicates of one argument must all hold of one common constant, as what an attacker knows does.

    ``data`` are functions that such predicates see through: knowing ``f(x, y)`` is knowing ``x`` and ``y``. ``public``
    and ``first`` only guide the order of work: functions that anybody can compute, and those to look at first.
    """

    data: frozenset[str] = frozenset()
    public: frozenset[str] = frozenset()
    first: tuple[str, ...] = ()
    rules: list[tuple[str, tuple[Term, ...], Term]] = field(default_factory=list)

    def rule(self, name: str, *premises: str, gives: str) -> None:
        """``premises => gives``, for all values of the variables."""
        variables: dict[str, Term] = {}
        facts = [self._parse(text, variables) for text in (*premises, gives)]
        self.rules.append((name, tuple(facts[:-1]), facts[-1]))

    @staticmethod
    def _parse(text: str, variables: dict[str, Term]) -> Term:
        tokens = _TOKEN.findall(text)
        at = 0

        def term() -> Term:
            nonlocal at
            name = tokens[at]
            at += 1
            args = []
            if at < len(tokens) and tokens[at] == "(":
                while tokens[at] != ")":
                    at += 1
                    args.append(term())
                at += 1
            if name[0].isupper():
                return variables.setdefault(name, Term(len(variables)))
            return Term(name, tuple(args))

        return term()


@dataclass(frozen=True, slots=True)
class Saturated:
    """The outcome: all solved rules, by the predicate that they conclude."""

    solved: dict[object, list[_Rule]]
    rules: int
    """How many rules were kept on the way: a measure of the work."""

    def derivation(self, goal: str) -> tuple[str, ...] | None:
        """Names of the model's rules in a derivation of the predicate ``goal``, which takes no argument; or None."""
        found = self.solved.get(goal)
        return min((r.names for r in found), key=len) if found else None


def saturate(model: Model, until: str | None = None) -> Saturated:
    """Closes the model under resolution, or stops when a derivation of the goal ``until`` is found.

    Raises :class:`RuntimeError` if that takes more than a fixed number of rules.
    """
    return _Saturation(model).run(until)


class _Saturation:
    def __init__(self, model: Model) -> None:
        self.data = model.data
        self.model = model
        self.kept: list[_Rule] = []
        self.by_head: dict[object, list[_Rule]] = defaultdict(list)  # of all, for subsumption
        self.solved: dict[object, list[_Rule]] = defaultdict(list)
        self.waiting: dict[object, list[_Rule]] = defaultdict(list)  # unsolved, by the predicate they wait for
        self.queue: list[tuple[int, int, _Rule]] = []
        self.count = itertools.count()

    def run(self, until: str | None) -> Saturated:
        for name, premises, head in self.model.rules:
            self.add(premises, head, (name,))
        while self.queue and until not in self.solved:
            _, _, rule = heapq.heappop(self.queue)
            if not rule.alive:
                continue
            if len(self.kept) > _BUDGET:
                raise RuntimeError("no answer: saturation takes too many rules")
            self.kept.append(rule)
            predicate = rule.head.name if rule.selected < 0 else rule.premises[rule.selected].name
            if rule.selected < 0:
                self.solved[predicate].append(rule)
                for other in list(self.waiting[predicate]):
                    if other.alive:
                        self.resolve(rule, other)
            else:
                self.waiting[predicate].append(rule)
                for other in list(self.solved[predicate]):
                    if other.alive:
                        self.resolve(other, rule)
        alive = {p: [r for r in rules if r.alive] for p, rules in self.solved.items()}
        return Saturated({p: rules for p, rules in alive.items() if rules}, len(self.kept))

    def resolve(self, fact: _Rule, rule: _Rule) -> None:
        """``fact`` (solved) provides the selected premise of ``rule``."""
        wanted = rule.premises[rule.selected]
        a, b = _key(fact.head), _key(wanted)
        if a[1] is not None and b[1] is not None and a != b:
            return
        shift = {Term(i): Term(i + rule.variables) for i in range(fact.variables)}
        memo: _Substitution = {}
        head = _rename(fact.head, shift, memo)
        s = _unify(head, wanted)
        if s is None:
            return
        used = [_rename(p, shift, memo) for p in fact.premises]
        rest = [p for i, p in enumerate(rule.premises) if i != rule.selected]
        done: _Substitution = {}
        premises = tuple(_apply(p, s, done) for p in (*used, *rest))
        names = rule.names + tuple(n for n in fact.names if n not in rule.names)
        self.add(premises, _apply(rule.head, s, done), names)

    def pieces(self, fact: Term) -> Iterator[Term]:
        """The fact, taken apart as far as its functions are data."""
        if len(fact.args) == 1 and fact.args[0].name in self.data:
            for a in fact.args[0].args:
                yield from self.pieces(Term(fact.name, (a,)))
        else:
            yield fact

    def add(self, premises: tuple[Term, ...], head: Term, names: tuple[str, ...]) -> None:
        body = tuple(dict.fromkeys(q for p in premises for q in self.pieces(p)))
        for conclusion in self.pieces(head):
            if conclusion not in body:
                self.add_one(body, conclusion, names)

    def add_one(self, body: tuple[Term, ...], head: Term, names: tuple[str, ...]) -> None:
        body = self.without_free(body, head)
        order: dict[Term, None] = {}
        seen: set[Term] = set()
        for fact in (head, *body):
            _variables(fact, order, seen)
        renaming = {v: Term(i) for i, v in enumerate(order)}
        # Renaming onto the same numbers must not chase: apply one step only.
        body = tuple(_rename(p, renaming, {}) for p in body)
        head = _rename(head, renaming, {})
        closed = [i for i, p in enumerate(body) if not _is_open(p)]
        selected = max(closed, key=lambda i: self.rank(body[i]), default=-1)
        keys = frozenset(_key(p) for p in body if _key(p)[1] is not None)
        rule = _Rule(body, head, names, selected, len(order), keys)
        same = self.by_head[_key(head)]
        if any(_subsumes(r, rule) for r in self.candidates(head)):
            return
        for other in same:
            if other.alive and _subsumes(rule, other):
                other.alive = False
        self.by_head[_key(head)] = [r for r in same if r.alive] + [rule]
        heapq.heappush(self.queue, (sum(p.size for p in body) + head.size, next(self.count), rule))

    def rank(self, fact: Term) -> tuple[int, int]:
        """What to resolve first, which matters for speed alone: what few rules conclude."""
        function = fact.args[0].name if len(fact.args) == 1 else None
        if function is None or function not in self.model.public:
            return len(self.model.first) + 1, -fact.size
        if function in self.model.first:
            return len(self.model.first) - self.model.first.index(function), fact.size
        return 0, fact.size

    def candidates(self, head: Term) -> Iterator[_Rule]:
        name, function = _key(head)
        yield from self.by_head[name, function]
        if function is not None:
            yield from self.by_head[name, None]

    @staticmethod
    def without_free(body: tuple[Term, ...], head: Term) -> tuple[Term, ...]:
        """Without each ``p(X)`` whose ``X`` stands nowhere else: it can be fulfilled, see `Model`."""
        count: dict[Term, int] = defaultdict(int)
        for fact in (head, *body):
            found: dict[Term, None] = {}
            _variables(fact, found, set())
            for v in found:
                count[v] += 1
        return tuple(p for p in body if not (_is_open(p) and count[p.args[0]] == 1))


def _rename(t: Term, renaming: _Substitution, memo: _Substitution) -> Term:
    if t.ground:
        return t
    if isinstance(t.name, int):
        return renaming[t]
    done = memo.get(t)
    if done is None:
        done = memo[t] = Term(t.name, tuple(_rename(a, renaming, memo) for a in t.args))
    return done


def _subsumes(general: _Rule, special: _Rule) -> bool:
    """Whether ``special`` says nothing that ``general`` doesn't say."""
    if not general.alive or len(general.premises) > len(special.premises):
        return False
    if not general.keys <= special.keys:
        return False
    s: _Substitution = {}
    if not _match(general.head, special.head, s, set()):
        return False
    patterns = sorted(general.premises, key=lambda p: (_is_open(p), -p.size))
    return _cover(patterns, 0, special.premises, s)


def _cover(patterns: list[Term], at: int, facts: tuple[Term, ...], s: _Substitution) -> bool:
    if at == len(patterns):
        return True
    first = patterns[at]
    if _is_open(first) and first.args[0] in s:
        return Term(first.name, (s[first.args[0]],)) in facts and _cover(patterns, at + 1, facts, s)
    for fact in facts:
        if fact.name != first.name:
            continue
        extended = dict(s)
        if _match(first, fact, extended, set()) and _cover(patterns, at + 1, facts, extended):
            return True
    return False
