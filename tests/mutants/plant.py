"""plant - small faults in C source: where they can stand, and how the line reads with one.

A fault is one change of one line: an operator, a bound, a constant, a condition turned round, a call or an assignment that was
forgotten, a branch that is not taken. The source is read as text, without a parser: comments and strings are blanked first, only
function bodies count, and what is only logging, tracing, freeing or asserting is left alone, since no test should see it.
"""
import random
import re
from collections import namedtuple

# file, line number (from 1), kind, the line before and after
Fault = namedtuple("Fault", "file line kind before after")

# calls that nobody misses: they tell, check promises of ours, or give memory back
IDLE = r"(?:\w*log_\w+|note_\w+|trace\w*|\w+_trace|assert|bug|die|\w*free|\w*fini|\w*close|explicit_bzero|unlink|say_\w+|warn\w*|prctl|setrlimit)"
IDLE_START = re.compile(r"^\s*(?:\(void\)\s*!?)?(?:if \(.*\)\s*)?(?:return\s+)?%s\s*\(" % IDLE)
CALL = re.compile(r"^(\s+)([a-z_]\w*)\(.*\);$")
ASSIGN = re.compile(r"^(\s+)[\w.>\[\]*-]*(?:->|\.)[\w.>\[\]-]+ (?:=|\+=|-=|\|=|&=) [^;]*;$")
WORDS = {"if", "for", "while", "switch", "return", "sizeof", "do", "else", "goto", "case"}

# what a text becomes, by kind; the pattern is looked for in the blanked line
TEXTS = [
    ("relation", r"(?<=\s)==(?=\s)", "!="), ("relation", r"(?<=\s)!=(?=\s)", "=="),
    ("bound", r"(?<=\s)<(?=\s)", "<="), ("bound", r"(?<=\s)<=(?=\s)", "<"),
    ("bound", r"(?<=\s)>(?=\s)", ">="), ("bound", r"(?<=\s)>=(?=\s)", ">"),
    ("logic", r"&&", "||"), ("logic", r"\|\|", "&&"),
    ("sum", r"(?<=\s)\+(?=\s)", "-"), ("sum", r"(?<=\s)-(?=\s)", "+"), ("sum", r"\+=", "-="), ("sum", r"-=", "+="),
    ("flag", r"(?<=\s)\|(?=\s)", "&"), ("flag", r"(?<=\s)&(?=\s)", "|"),
    ("answer", r"return true;", "return false;"), ("answer", r"return false;", "return true;"),
    ("answer", r"return -1;", "return 0;"), ("answer", r"return 0;", "return -1;"),
    ("literal", r"(?<=[(,] )true(?=[,)])|(?<=\()true(?=[,)])", "false"), ("literal", r"(?<=[(,] )false(?=[,)])|(?<=\()false(?=[,)])", "true"),
    ("not", r"!(?=[a-z(])", ""),
    ("way", r"\bbreak;", ";"), ("way", r"\bcontinue;", ";"),
]
TEXTS = [(kind, re.compile(pattern), to) for kind, pattern, to in TEXTS]
NUMBER = re.compile(r"(?<![\w.\"'])(\d+)(?![\w.\"'xX])")
CHOICE = re.compile(r"\? ([\w.>()\-\[\]]+) : ([\w.>()\-\[\]]+)(?=[;,)])")


def blank(text):
    """The text with comments and the insides of strings as blanks; every column stays."""
    def void(m):
        s = m.group(0)
        if s.startswith("/"):
            return re.sub(r"[^\n]", " ", s)
        return s[0] + re.sub(r"[^\n]", " ", s[1:-1]) + s[-1]
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", void, text, flags=re.S)


def closing(line, at):
    """Where the parenthesis at `at` is closed in this line; -1: not in it."""
    depth = 0
    for i in range(at, len(line)):
        depth += {"(": 1, ")": -1}.get(line[i], 0)
        if depth == 0:
            return i
    return -1


def bodies(lines):
    """(number, blanked line, is it void) of every line in a function body that does something."""
    inside, void, first, idle = False, False, False, False
    for n, line in enumerate(lines, 1):
        if line.rstrip() == "{" and not inside:
            inside, first = True, True
            head = " ".join(lines[max(0, n - 4):n - 1])
            void = bool(re.search(r"(?:^|[;}]\s*|\s)(?:static )?(?:inline )?void \w+\([^;{}]*\)\s*$", head))
            idle = False
            continue
        if line.startswith("}"):
            inside = False
        if not inside or not line.strip() or line.lstrip().startswith("#"):
            continue
        if not idle:
            idle = bool(IDLE_START.match(line))
        if not idle and not re.match(r"\s*(?:static )?const\b.*\{|\s*case\b|\s*\[|\s*\{ ?\"", line):
            yield n, line, void and first
        first = False
        if line.rstrip().endswith((";", "{", "}", ":")):
            idle = False


def of_line(file, n, line, text, enters_void):
    """Every fault that this line can have."""
    def fault(kind, after):
        if after != text:
            yield Fault(file, n, kind, text.strip(), after)
    for kind, pattern, to in TEXTS:
        for m in pattern.finditer(line):
            yield from fault(kind, text[:m.start()] + to + text[m.end():])
    for m in re.finditer(r"\bif \(", line):
        end = closing(line, m.end() - 1)
        if end > 0:
            yield from fault("condition", text[:m.end()] + "!(" + text[m.end():end] + ")" + text[end:])
    for m in CHOICE.finditer(line):
        yield from fault("branches", text[:m.start()] + "? %s : %s" % (text[m.start(2):m.end(2)], text[m.start(1):m.end(1)]) + text[m.end():])
    for m in NUMBER.finditer(line):
        if not re.search(r"return -?$|[ (=]-$", line[:m.start()]):
            yield from fault("constant", text[:m.start()] + str(int(m.group(1)) + 1) + text[m.end():])
    call = CALL.match(line)
    if call and call.group(2) not in WORDS:
        yield from fault("call", call.group(1) + ";")
    elif ASSIGN.match(line):
        yield from fault("assignment", ASSIGN.match(line).group(1) + ";")
    if enters_void:
        yield from fault("early", re.sub(r"^(\s*)", r"\1return; ", text, count=1))


def of_text(file, text):
    """Every fault that this source can have."""
    real = text.split("\n")
    for n, line, enters_void in bodies(blank(text).split("\n")):
        yield from of_line(file, n, line, real[n - 1], enters_void)


def draw(faults, count, seed):
    """So many of them, of all kinds alike, and no two in a line."""
    rng, kinds, chosen, lines = random.Random(seed), {}, [], set()
    for f in faults:
        kinds.setdefault(f.kind, []).append(f)
    piles = [kinds[k] for k in sorted(kinds)]
    for pile in piles:
        rng.shuffle(pile)
    while len(chosen) < count and any(piles):
        for pile in piles:
            while pile and len(chosen) < count:
                f = pile.pop()
                if (f.file, f.line) not in lines:
                    lines.add((f.file, f.line))
                    chosen.append(f)
                    break
    return chosen
