#!/usr/bin/env python3
"""Writes the expectations of tests/data/jinja with the real Jinja2 (Debian: python3-jinja2).

    python3 tests/reference/jinja.py

X.jinja (written by hand) and X.cases.json (its variables) give X.json: what Jinja2 renders, set up
as the transformers library does for chat templates. expressions.json holds single expressions, by
hand and at random from a fixed seed; rare.json those of rare.txt, one a line. The C tests need
neither Python nor Jinja2.
"""
import datetime
import json
import pathlib
import random

import jinja2
import jinja2.ext
from jinja2 import nodes

HERE = pathlib.Path(__file__).resolve().parent.parent / "data" / "jinja"
NOW = datetime.datetime(2026, 1, 31, 12, 0, 0)


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks the assistant's text for training; renders as nothing was there."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.Scope(body, lineno=line)


def raise_exception(message):
    raise jinja2.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True,
                             extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", Generation])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(text, variables):
    try:
        return {"rendered": environment().from_string(text).render(**variables)}
    except jinja2.TemplateError as e:
        return {"error": str(e)}
    except Exception as e:  # Python's own, from inside of an expression
        return {"error": type(e).__name__}


def templates():
    for path in sorted(HERE.glob("*.jinja")):
        given = json.loads(path.with_suffix(".cases.json").read_text())
        out = {"cases": {}}
        for name, variables in given.items():
            out["cases"][name] = {**variables, **render(path.read_text(), variables)}
        write(path.with_suffix(".json"), out)


TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "Weather of a \"city\" <s>",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"},
                                                    "days": {"type": "integer"}},
                   "required": ["city"]}}},
         {"type": "function", "function": {"name": "now", "description": "The time: \u6642",
                                           "parameters": {"type": "object", "properties": {}}}}]
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rain in Oslo?"}]


def published(folder):
    """tests/data/chat_vars.json: what nb_chat_vars make of the templates in ../shared/templates that
    tell no time. The rendered text begins with BOS, as every prompt of the test's vocabulary."""
    rows = []
    for path in sorted(folder.glob("*.jinja")):
        text = path.read_text()
        words = [w for w in ("enable_thinking", "thinking") if w in text]
        given = [{"tools": TOOLS}] + [{w: on for w in words} for on in (True, False) if words]
        for more in given if "strftime_now" not in text and "tools" in text else []:
            r = render(text, {"messages": TALK, "add_generation_prompt": True, "bos_token": "<s>",
                              "eos_token": "</s>", **more})
            think = None if "tools" in more else more[words[0]]
            if "rendered" in r:
                rows.append({"template": path.name, "think": think, **r})
    write(HERE.parent / "chat_vars.json",
          {"tools": json.dumps(TOOLS, ensure_ascii=False), "rows": rows})


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


VARIABLES = {
    "i": 7, "j": -3, "z": 0, "f": 2.5, "g": -0.125, "t": True, "n": None,
    "s": "Hello World", "u": "naïve 漢字 🙂 end", "w": "  padded\t\n", "e": "", "q": "it's \"so\" \\ ok",
    "l": [3, 1, 2], "m": ["b", "a", "C", "b"], "d": {"b": 1, "a": "x", "items": [1, 2]},
    "k": {"k1": {"deep": [10, {"v": "found"}]}}, "p": [[1, "one"], [2, "two"]],
    "r": [{"n": "x", "v": 2}, {"n": "Y", "v": 1}, {"n": "z", "v": 3, "o": {"a": 5}}],
}

HAND = """
1 + 2 * 3 | -7 // 2 | -7 % 3 | 7 % -3 | -7.5 // 2 | -7.5 % 2 | 2 ** 10 | 2 ** -1 | -2 ** 2 | 2 ** 3 ** 2
7 / 2 | 6 / 2 | 1e3 | 1.5e-7 | 1e16 | 123456789012345680.0 | 0.1 + 0.2 | 1e22 | 5e-324 | 100000.0 | 1e15
10 // 3.0 | 10 % 3.5 | -0.0 | 0.0001 | 0.00001 | 1_000_000 | 0x1F | 0b101 | 0o17 | 3.0 | 1 == 1.0 | true + 1
'a' ~ 1 ~ none ~ true ~ 1.50 | 'a' 'b' "c" | 'x' * 3 | 3 * 'ab' | [1] * 2 | [1] + [2, 3] | (1,) + (2,) | (1, 2) | () | (1,)
"\\n\\t\\\\\\'\\"" | "\\x41\\u00e9\\U0001f642" | '\\q\\101' | "a\\
b" | 'é' | [none, true, 'a', 1.0, {'k': (1,)}] | {'a': 1, 2: 'b', none: [], true: 0} | {} | []
1 < 2 < 3 | 1 < 2 > 5 | 1 == 1 == 1 | 'a' < 'b' | [1, 2] < [1, 3] | (1, 2) == (1, 2) | [1] == (1,) | none == none | 'a' == 1
1 in [1, 2] | 4 not in l | 'ell' in s | '' in s | 'b' in d | 'zz' not in d | not 1 in [1] | not t and z | not (t and z)
t and s | e or 'default' | z or n or e | n and x | x is defined | x is undefined | s is defined | x is not defined | not x is defined
s is string | l is string | l is iterable | s is iterable | i is iterable | d is mapping | l is mapping | l is sequence | s is sequence | d is sequence | x is iterable
i is number | f is number | t is number | t is boolean | i is boolean | t is integer | i is integer | f is float | n is none | n is not none | x is none
i is odd | i is even | 8 is divisibleby 4 | 8 is divisibleby(3) | i is eq 7 | i is equalto(8) | i is ne 7 | i is gt 3 | i is lt(3) | i is ge 7 | i is le 6 | i is in [7] | t is true | t is false | 1 is true | n is sameas none
'ABC' is upper | 'Abc' is lower | range is callable | s is callable | 'trim' is filter | 'nope' is filter | 'odd' is test
s[0] | s[-1] | s[1:4] | s[::-1] | s[:-3] | s[-5:] | s[::2] | s[5:2] | s[5:2:-1] | s[100:] | s[:100] | u[1:8] | u[::-1] | u[2] | l[1:] | l[::-1] | l[-2:] | l[:0] | (1, 2, 3)[1:] | range(10)[2:4] | range(5)[-1]
d.b | d['a'] | d.items() | list | d['items'] | d.nope | d['nope'] | k.k1.deep[1].v | k['k1']['deep'][0] | l.0 | p[1][1] | d.get('b') | d.get('zz') | d.get('zz', 5) | d.keys() | list | d.values() | list
x.y | x | x + 1 | x ~ 'a' | x | default('dd') | x | length | x | join(',') | x[0] | x() | s.nope | s.nope() | i.x | l[99] | l['a'] | n.x
s.upper() | s.lower() | s.title() | s.swapcase | 'hello world-foo bar'.title() | "they're bill's".title() | s.capitalize() | u.upper() | 'ÀÉ straße'.upper() | 'ÀÉ'.lower() | s.startswith('He') | s.endswith(('x', 'd')) | s.find('o') | s.rfind('o') | s.find('zz') | u.find('🙂') | s.count('l') | s.count('') | s.index('W') | s.replace('l', 'L') | s.replace('l', 'L', 1) | 'abc'.replace('', '-') | 'aaa'.replace('aa', 'b')
w.strip() ~ '|' | w.lstrip() ~ '|' | w.rstrip() ~ '|' | 'xxaxx'.strip('x') | 'xyaxy'.lstrip('yx') | 'héé'.rstrip('é') | s.split() | s.split('l') | s.split('o', 1) | s.rsplit('o', 1) | ' a  b '.split() | ' a  b c '.split(none, 1) | ''.split() | ''.split('x') | 'a\\nb\\r\\nc\\n'.splitlines() | 'a\\nb'.splitlines(true) | s.partition(' ') | s.rpartition('zz') | ', '.join(['a', 'b']) | 'pre-x'.removeprefix('pre-') | 'x.gz'.removesuffix('.gz') | '12'.isdigit() | ' '.isspace() | 'aB'.isupper()
'{} {}'.format(1, 'b') | '{1}{0}'.format('a', 'b') | '{x:>5}|{y:<4}|'.format(x=1, y='z') | '{:05d}'.format(42) | '{:.2f}'.format(3.14159) | '{:,}'.format(1234567) | '{!r}'.format('a') | '{{}}'.format() | '{:^7}'.format('mid') | '{:*<6}'.format('ab') | '{:x}'.format(255) | '{:+d}'.format(5) | '{0.a}'.format(d)
'%s' % 'a' | '%s-%d' % ('a', 3) | '%5.2f|' % 3.14159 | '%-5s|' % 'ab' | '%05d' % 42 | '%x %X %o' % (255, 255, 8) | '%r' % 'q' | '100%%' | '100%%' % () | '%s' % l | '%(a)s' % d | '%d' % 3.9
'%s %s' | format('a', 'b') | s | upper | s | lower | s | title | 'foo bar-baz (qux)' | title | s | capitalize | w | trim ~ '|' | 'xax' | trim('x') | s | length | u | length | l | length | d | length | d | count | s | replace('o', '0') | 5 | string ~ '' | i | string | l | string
l | first | l | last | [] | first | s | first | l | sort | m | sort | m | sort(reverse=true) | m | sort(case_sensitive=true) | l | reverse | list | s | reverse | m | unique | list | m | join | m | join('-') | m | join(', ') | upper | r | join(',', attribute='n') | l | sum | r | sum(attribute='v') | l | min | l | max | m | max | [] | max | r | sort(attribute='v') | map(attribute='n') | list
r | map(attribute='v') | list | r | map(attribute='o.a', default=0) | list | m | map('upper') | list | m | map('replace', 'b', 'x') | list | l | select('gt', 1) | list | l | reject('odd') | list | l | select | list | [0, 1, ''] | select | list | r | selectattr('v', 'gt', 1) | map(attribute='n') | list | r | rejectattr('o') | list | length | r | selectattr('o', 'defined') | list | length | r | selectattr('n', 'equalto', 'x') | list | length | r | selectattr('n', 'in', ['x', 'z']) | map(attribute='n') | join
d | dictsort | {'b': 2, 'A': 1} | dictsort | {'b': 1, 'a': 2} | dictsort(by='value') | {'b': 1, 'a': 2} | dictsort(false, 'key', true) | d | items | list | x | items | list | d | list | s | list | range(3) | list | range(2, 8, 2) | list | range(5, 0, -2) | list | range(0) | list | range(3) | range(1, 7, 2) | [1, 2, 3, 4, 5] | batch(2) | list | [1, 2, 3] | batch(2, 'x') | list | [1, 2, 3, 4, 5] | slice(2) | list | [1, 2, 3] | slice(2, 'x') | list
x | default | x | default('a') | e | default('a') | e | default('a', true) | n | d('z') | n | d('z', boolean=true) | '42' | int | '4.7' | int | 'x' | int | 'x' | int(-1) | 3.9 | int | '0x1f' | int(base=16) | 'ff' | int(0, 16) | true | int | '1_000' | int | ' 12 ' | int | '3.5' | float | 'x' | float | 'x' | float(1.5) | 3 | float | '1e3' | float | none | int | 'inf' | float
42.55 | round | 42.55 | round(1) | 42.55 | round(1, 'floor') | 42.55 | round(1, 'ceil') | 0.5 | round | 1.5 | round | 2.5 | round | 5 | round | 15 | round(-1) | 2.675 | round(2) | -3 | abs | 3.5 | abs | -2.5 | abs
d | tojson | l | tojson | u | tojson | u | tojson(ensure_ascii=true) | q | tojson | 'a\\u0001b\\u007f' | tojson | none | tojson | true | tojson | 1.0 | tojson | 1e20 | tojson | {'b': 1, 'a': [1, {'c': none}]} | tojson(indent=2) | [] | tojson(indent=2) | {'b': 1, 'a': 2} | tojson(sort_keys=true) | [1, 2] | tojson(separators=(',', ':')) | {'a': {}} | tojson(indent=4) | {1: 2, none: 3, true: 4} | tojson | (1, 2) | tojson | x | tojson | '</script>' | tojson
'a\\nb\\n\\nc' | indent | 'a\\nb' | indent(2) | 'a\\nb' | indent(2, true) | 'a\\n\\nb' | indent(2, false, true) | 'a\\nb' | indent('> ') | 'a\\n' | indent(2) ~ '|' | '<a href="x">\\'&' | escape | '<b>' | e | '<b>' | safe | 'mid' | center(9) ~ '|' | 'even' | center(9) ~ '|' | 'a long sentence of words here' | truncate(10) | 'a long sentence of words here' | truncate(10, true) | 'short' | truncate(10)
'yes' if t else 'no' | 'yes' if z | ('yes' if z) is undefined | 'a' if z else 'b' if t else 'c' | [1, 2][z] | (l | first) + 1 | l | first + 1 | -l[0] | -(2 | abs) | -2 | abs | +i | not z | not not t | 1 if 1 else 2 if 0 else 3
namespace(a=1).a | dict(a=1, b=2) | dict([[1, 2]]) | namespace(a=1, b=namespace(c=2)).b.c | cycler('a', 'b').next() | strftime_now('%d %B %Y') | strftime_now('%Y-%m-%d %H:%M:%S') | strftime_now('%a %A %b %j %y %I %p %%') | strftime_now('%-d') | raise_exception('no')
l.index(2) | l.count(1) | [1, 2].pop() | [[1, 2].append(3)] | {'a': 1}.pop('a') | {'a': 1}.pop('b', 2) | 'abc' == 'abc' | "a" in ['a'] and 'b' not in ['a'] | r[0].n ~ r[-1]['o'].a | (1, 'a', none) | [true, false] | {'a': u} | [q] | ['\\n\\t'] | [x] | 1.0 | string | 10000000000000000.0 | [1e100] | 1 / 3
1 / 0 | 1 // 0 | 1 % 0 | 'a' + 1 | 1 + 'a' | [] + 'a' | 'a' < 1 | none < 1 | none + 1 | {}['a'] | {[]: 1} | l.foo() | s | nofilter | s is notest | foo.bar.baz | 'a'.index('z') | (1).x | [1, 2, 3] | sum(start='a') | 'x' in 5 | 5 in 'abc' | l | join(x) | d + d | -s | -l
r | groupby('v') | list | r | groupby('o.a', default=0) | map('first') | list | [{'a': 'x'}, {'a': 'X'}, {'a': 'b'}] | groupby('a') | map('last') | list | [{'a': 'x'}, {'a': 'X'}] | groupby('a', case_sensitive=true) | length | [['b', 1], ['a', 2], ['b', 3]] | groupby(0) | list | [] | groupby('a') | list | r | groupby('nope') | list
d | attr('b') | k | attr('nope') is defined | 'x' | attr('upper') is callable | r | map(attribute='nope', default='d') | list | p | map(attribute=1) | list | p | map(attribute='1') | list | m | map | l | map('nofilter') | list | r | selectattr | list | l | select('notest') | list | m | max(case_sensitive=true) | r | max(attribute='v') | r | min(attribute='n') | [1] | slice(0) | list
'a' | truncate(0) | 'a long sentence' | truncate(1) | 'long words' | truncate(5, true, '') | d | tojson(separators=(',',)) | d | tojson(indent='--') | '0o17' | int(0, 8) | '0b101' | int(base=2) | '0b2' | int(-1, 2) | '' | int(3) | '+5' | int | '- 5' | int(9) | '9' | int(1, 8) | 'nan' | float | '-inf' | float | '1e' | float(2) | '.5' | float | 'e5' | float(3) | '1_0.5' | float | x | int | x | abs | s | abs | 1.5 | round(1, 'up') | x | round | n | round | [1] | float(7) | l | int(5)
'%x' % 3.5 | '%c' % 65 | '%c' % 233 | '%c' % -1 | '%c' % 'ab' | '%c' % 'a' | '%+d % d' % (3, 4) | '%#x %#o' % (255, 8) | '%e' % 12345.678 | '%g' % 0.0001 | '%G' % 1e-10 | '%.3s|' % 'abcdef' | '%(a)s' % 1 | '%(zz)s' % d | '%s %s' % ('a',) | '%' % () | '%y' % 1 | '%d' % 'a' | '%d' % t | '%f' % 'a' | '%i' % 3 | '%s' % ('a', 'b') | '%5%' % () | '%s' % x | '%-8s|' % u | '%08.3f' % 3.14159 | '%E' % 1.5 | '%.0f' % 2.5
'{:e}'.format(12345.678) | '{:g}'.format(0.00001) | '{:%}'.format(0.25) | '{:.1%}'.format(0.256) | '{:#x}'.format(255) | '{:b}'.format(5) | '{:o}'.format(8) | '{:X}'.format(255) | '{:.3}'.format('abcdef') | '{:d}'.format('a') | '{:s}'.format(1) | '{:f}'.format('a') | '{0[a]}'.format(d) | '{0[b'.format(d) | '{0[1]}'.format(l) | '{'.format() | '}'.format() | '{!s}'.format(1) | '{!x}'.format(1) | '{:nope}'.format(1) | '{a}'.format(b=1) | '{2}'.format(1) | '{} {0}'.format(1) | '{:=+6d}'.format(42) | '{: d}'.format(42) | '{:08.2f}'.format(-3.14159) | '{:G}'.format(1e20) | '{:E}'.format(0.5) | '{:>10}'.format(u)
{'a': 1}.update(5) | {'a': 1}.pop('zz') | [1].pop(5) | [].pop() | [[3, 1, 2].remove(1)] | [1].remove(9) | [[1, 2].reverse()] | [1, 2].copy() | {'a': 1}.copy() | [[1].clear()] | [{'a': 1}.clear()] | [[2, 1].insert(0, 5)] | [[1].extend([2])] | {'a': 1}.setdefault('a', 2) | {'a': 1}.setdefault('b', 2) | cycler().next() | range(1, 5, 0) | dict([1]) | dict([[1, 2, 3]]) | dict({'a': 1}, b=2) | cycler('a').reset() is none | joiner()() ~ joiner('|')() | joiner is callable | [1, 2, 2].index(5) | (1, 2).count(1) | (1, 2).index(2) | [3].append
{'a': 1} == {'a': 1.0} | {'a': 1, 'b': 2} == {'b': 2, 'a': 1} | {'a': 1} == {'a': 2} | {'a': 1} == {'b': 1} | {} == {} | d == d | {'a': [1]} != {'a': [1]} | range(3) == range(3) | range(0) and 1 | range(2) and 1 | '\\x7f\\x00\\u200b' | list | ['\\x7f', '\\u200b', '\\U000e0001'] | ['\\r\\x1b'] | "it's" ~ ["it's"] | ['"'] | ["'\""] | namespace(a=1) is mapping | (1, 2) < (1, 2, 3) | [1, 'a'] < [2] | [] < [1] | {} < {} | (1,) < [1] | t < 2 | 1 < f | 'a' >= 'a' | u < 'z'
strftime_now('%e %h %F %T %D %R %c') | strftime_now('%w %u %f %M') | strftime_now('%-m/%-d/%-H %-I') | strftime_now('%n|%t|%z|%Z') | strftime_now('100%') | strftime_now('') | u | wordwrap(3) | s | wordwrap(4, false) | s | wordcount | '<p>x</p> y' | striptags | 1000000 | filesizeformat | 1 | filesizeformat | 2048 | filesizeformat(true) | {'a b': 1, 'c': u} | urlencode | [['a', 1], ['b', 2]] | urlencode | 'a b/ü' | urlencode | [1] | urlencode | {'class': 'x', 'id': none} | xmlattr | l | xmlattr | d | pprint | l | wordcount
"""


def hand():
    """Lines of expressions between bars; an expression with filters is told by what parses."""
    env = environment()
    for line in HAND.strip().split("\n"):
        pending = ""
        for part in line.split(" | "):
            joined = pending + " | " + part if pending else part
            word = part.strip().split("(")[0].split(" ")[0].split("~")[0]
            if pending and word in env.filters and not part.strip().startswith(("'", '"')):
                pending = joined
                continue
            if pending:
                yield pending.strip()
            pending = part
        yield pending.strip()


class Maker:
    """Random expressions, each of a kind that mostly evaluates."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *choices):
        return self.r.choice(choices)

    def number(self, depth):
        if depth <= 0:
            return self.pick("i", "j", "z", "f", "g", "2", "10", "-1", "0.5", "3.25", "t")
        a, b = self.number(depth - 1), self.number(depth - 1)
        return self.pick(
            f"({a} {self.pick('+', '-', '*', '/', '//', '%')} {b})", f"-{a}", f"{a}|abs",
            f"{a}|int", f"{a}|round(1)", f"({a} if {self.truth(depth - 1)} else {b})",
            f"{self.text(depth - 1)}|length", f"{self.list(depth - 1)}|length",
            f"[{a}, {b}]|max", f"[{a}, {b}]|sum", f"{self.text(depth - 1)}.find({self.text(0)})")

    def text(self, depth):
        if depth <= 0:
            return self.pick("s", "u", "w", "e", "q", "'lo'", "'o'", "'x y'", "' '", "'é漢'", "'%'")
        a, b = self.text(depth - 1), self.text(depth - 1)
        low, high = self.r.randint(-7, 7), self.r.randint(-7, 7)
        step = self.pick(1, 1, 2, -1, -2, 3)
        return self.pick(
            f"({a} + {b})", f"({a} ~ {self.number(depth - 1)})", f"({a} ~ {self.list(depth - 1)})",
            f"{a}[{low}:{high}]", f"{a}[{low}:]", f"{a}[:{high}]", f"{a}[{low}:{high}:{step}]",
            f"{a}[::{step}]", f"{a}.{self.pick('upper', 'lower', 'title', 'capitalize', 'strip', 'lstrip', 'rstrip')}()",
            f"{a}|{self.pick('upper', 'lower', 'title', 'capitalize', 'trim', 'tojson', 'string', 'reverse', 'e')}",
            f"{a}.replace({b}, {self.text(0)})", f"{a}|replace({b}, {self.text(0)})",
            f"({a} * {self.pick(0, 1, 2, 3)})", f"{self.list(depth - 1)}|join({b})",
            f"{self.list(depth - 1)}|tojson", f"{a}|indent({self.pick(1, 2, 3)})",
            f"({a} if {self.truth(depth - 1)} else {b})", f"{self.list(depth - 1)}|string",
            f"'%s<%s>'|format({a}, {self.number(depth - 1)})",
            f"'{{}}|{{:>6}}'.format({self.number(depth - 1)}, {a})", f"{a}.strip({b})")

    def list(self, depth):
        if depth <= 0:
            return self.pick("l", "m", "p", "[]", "[1, 'a', none]", "range(4)|list", "d|list", "r|map(attribute='v')|list")
        a = self.list(depth - 1)
        low, high, step = self.r.randint(-4, 4), self.r.randint(-4, 4), self.pick(1, 2, -1, -2)
        return self.pick(
            f"[{self.number(depth - 1)}, {self.text(depth - 1)}]", f"({a} + {self.list(depth - 1)})",
            f"{a}[{low}:{high}]", f"{a}[::{step}]", f"{a}[{low}:{high}:{step}]", f"({a}|reverse|list)",
            f"({a}|map('string')|list)", f"({a}|map('string')|sort)", f"({a}|map('string')|unique|list)",
            f"({a}|select|list)", f"({a}|select('string')|list)", f"({a}|reject('none')|list)",
            f"{self.text(depth - 1)}.split()", f"{self.text(depth - 1)}.split({self.text(0)})",
            f"({self.text(depth - 1)}|list)", f"({a}|batch(2)|list)", f"({a}, {self.number(depth - 1)})",
            f"{{'a': {a}, {self.text(0)}: {self.truth(depth - 1)}}}|dictsort")

    def truth(self, depth):
        if depth <= 0:
            return self.pick("t", "z", "n", "x", "e", "s", "not t", "x is defined")
        a, b = self.number(depth - 1), self.number(depth - 1)
        s, v = self.text(depth - 1), self.text(depth - 1)
        op = self.pick("==", "!=", "<", ">", "<=", ">=")
        return self.pick(
            f"({a} {op} {b})", f"({s} {op} {v})", f"({a} < {b} <= {self.number(0)})",
            f"({s} {self.pick('in', 'not in')} {v})", f"({a} in {self.list(depth - 1)})",
            f"({self.truth(depth - 1)} {self.pick('and', 'or')} {self.truth(depth - 1)})",
            f"(not {self.truth(depth - 1)})", f"({self.list(depth - 1)} == {self.list(depth - 1)})",
            f"({s} is {self.pick('string', 'iterable', 'mapping', 'none', 'number', 'upper', 'lower')})",
            f"({a} is {self.pick('number', 'integer', 'float', 'odd', 'even', 'true')})",
            f"{s}.{self.pick('startswith', 'endswith')}({v})")

    def any(self, depth):
        return self.pick(self.number, self.text, self.list, self.truth)(depth)


def told(result):
    """Whether the text says nothing of Python's insides."""
    shown = result.get("rendered", "")
    return len(shown) < 400 and not any(
        w in shown for w in ("object at 0x", "<generator", "dict_", "<built-in", "<bound", "<function", "<class"))


def expressions():
    rows, seen = [], set()
    maker = Maker(20260131)
    random_ones = (maker.any(1 + n % 3) for n in range(6000))
    for n, e in enumerate([*hand(), *random_ones]):
        if e in seen or (n > 1000 and len(e) > 160):
            continue
        seen.add(e)
        result = render("{{ " + e + " }}", VARIABLES)
        if told(result) and (n < 1000 or "rendered" in result or n % 7 == 0):
            rows.append([e, result.get("rendered")])
        if len(rows) == 1700:
            break
    write_rows(HERE / "expressions.json", rows)


def rare():
    """rare.txt: kinds and ends that expressions seldom have. A line that ends in a backslash goes on."""
    text = (HERE / "rare.txt").read_text().replace("\\\n", "\0")
    for line in text.splitlines():
        yield line.replace("\0", "\\\n")


def write_rows(path, rows):
    lines = ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows)
    path.write_text('{"variables": %s,\n"rows": [\n%s\n]}\n' % (json.dumps(VARIABLES, ensure_ascii=False), lines))


templates()
expressions()
write_rows(HERE / "rare.json", [[e, render("{{ " + e + " }}", VARIABLES).get("rendered")] for e in rare()])
shared = HERE.parents[3] / "shared" / "templates"
if shared.is_dir():
    published(shared)
