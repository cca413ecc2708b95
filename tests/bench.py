#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tables and plots of tests/bench, from its data.

usage: tests/bench.py table DATA...       Markdown; the exit status is the verdict
       tests/bench.py plot DATA           SVG of the storm
       tests/bench.py scale DATA          Markdown
       tests/bench.py micro DATA          Markdown
       tests/bench.py latency DATA        Markdown
       tests/bench.py curves DATA         SVG of the latencies

DATA is what tests/bench says in its head. Ratios are stock's by the variant's,
within a round: 1 is as good, less is worse. What a round has several times is summed
up. Of the rounds' ratios it is the Hodges-Lehmann estimate, the median of the means of
all pairs, and its confidence interval of 99 % by Wilcoxon's signed ranks; fewer than 8
rounds have none.
"""

import collections
import itertools
import math
import statistics
import subprocess
import sys

NS = 8  # an instruction in tests/micro.scenario takes, by its icount=3
GOAL, STORM_GOAL, SPREAD, ROUNDS = 0.99, 0.97, 0.02, 8
NEVER = ("ceph_con_workfn", "wb_workfn")


class Incomplete(Exception):
    """The data allow no verdict."""


def read(path):
    """The lines of DATA: what is about the run, and (round, variant, words)."""
    about, files, lines = [], 0, []
    with open(path, encoding="utf-8") as data:
        for line in data:
            words = line.split()
            if words[0] == "about":
                about.append(line[len("about "):].rstrip())
            elif words[0] == "files":
                files = int(words[1])
            elif words[0].isdigit():
                lines.append((int(words[0]), words[1], words[2:]))
    if not files or not lines:
        raise Incomplete("no data")
    return about, files, lines


def interval(values):
    """The Hodges-Lehmann estimate of the ratio, and its confidence interval of 99 %"""
    n = len(values)
    means = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2))
    # ways[w]: in how many of the 2 ** n signs the ranks of the positive ones sum up to w
    ways = [1] + [0] * len(means)
    for rank in range(1, n + 1):
        for w in range(len(means), rank - 1, -1):
            ways[w] += ways[w - rank]
    left_out, tail = 0, ways[0]
    while left_out + 1 < len(means) / 2 and tail + ways[left_out + 1] <= 0.005 * 2 ** n:
        left_out += 1
        tail += ways[left_out]
    return statistics.median(means), means[left_out], means[-1 - left_out]


def shown(ratio):
    return "{:.3f} ({:.3f}-{:.3f})".format(*ratio)


def ranged(values, digits=0):
    """The median, and from the least to the most."""
    return "{1:.{0}f} ({2:.{0}f}-{3:.{0}f})".format(
        digits, statistics.median(values), min(values), max(values))


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def header(*cells):
    print()
    row(*cells)
    row(*["---"] + ["---:"] * (len(cells) - 1))


def measured(lines):
    """time[workload][variant][round] = (microseconds, instructions or None)"""
    time = collections.defaultdict(lambda: collections.defaultdict(dict))
    for number, variant, words in lines:
        if words[0] == "time":
            us, count = time[words[1]][variant].get(number, (0, 0))
            count = None if words[3] == "-" else count + int(words[3])
            time[words[1]][variant][number] = (us + int(words[2]), count)
    return time


def evictions(lines, variants, files):
    """Who evicts, in the round that looks at it; what the fork must not do."""
    missed, found = [], collections.defaultdict(lambda: [0, 0, 0])
    for number, variant, words in lines:
        if words[0] == "evict" and number == 0:
            where = "storm" if words[1] == "storm" else "others"
            cell = found[words[5], variant, where]
            cell[0] += int(words[2])
            cell[1] += int(words[3])
            cell[2] = max(cell[2], int(words[4]))
    cells = [(v, w) for w in ("storm", "others") for v in variants]
    header("evicted by", *["{}: {}".format(w, v) for v, w in cells])
    for context in sorted({key[0] for key in found}):
        shows = []
        for cell in cells:
            n, ns, longest = found.get((context, *cell), (0, 0, 0))
            shows.append("{} ({:.0f}, {:.1f})".format(n, ns / 1e6, longest / 1e6) if n else "0")
            if context in NEVER and n and cell[0] in ("fork", "live"):
                missed.append("{}: {} evicts in {}, {} times".format(cell[1], cell[0], context, n))
        row(context, *shows)
    print("\nInodes (ms in evict(), the longest in ms), in one turn of each, which is not"
          "\ncounted above: a probe watches.")
    if found["ceph_con_workfn", "stock", "storm"][0] < files / 2:
        raise Incomplete("messengers on stock did not evict half of the inodes: no storm")
    return missed


def whole_rounds(lines, variants):
    """Without a last round that has not all turns, as a run leaves that was ended"""
    last = max(n for n, _, _ in lines)
    if last and {v for n, v, _ in lines if n == last} != set(variants):
        return [line for line in lines if line[0] != last]
    return lines


def read_all(paths):
    """As read(), of several runs on equal terms, whose rounds are numbered through"""
    about, files, lines = read(paths[0])
    variants = list(dict.fromkeys(v for _, v, _ in lines))
    lines = whole_rounds(lines, variants)
    for path in paths[1:]:
        its_about, its_files, more = read(path)
        if (its_about, its_files) != (about, files):
            raise Incomplete("{} is of another machine, day or version".format(path))
        last = max(n for n, _, _ in lines)
        lines += [(n + last, v, w) for n, v, w in whole_rounds(more, variants) if n]
    return about, files, lines, variants


def table(*paths):
    about, files, lines, variants = read_all(paths)
    time = measured(lines)
    others = [v for v in variants if v != "stock"]
    rounds = sorted({n for n, _, _ in lines if n})
    if not rounds:
        raise Incomplete("no whole round")
    for workload, of in time.items():
        for variant in variants:
            for number in rounds:
                if number not in of[variant]:
                    raise Incomplete("{} of {} in round {}".format(workload, variant, number))
    counted = all(of[v][n][1] is not None for of in time.values() for v in variants for n in rounds)
    what = "instructions" if counted else "time"
    missed, wide = [], []

    print("\n".join(about))
    print("{} rounds of {} turns, {} files.".format(len(rounds), len(variants), files))

    def ratios(which):
        for workload, of in time.items():
            cells = []
            for variant in others:
                ratio = interval([of["stock"][n][which] / of[variant][n][which] for n in rounds])
                goal = STORM_GOAL if workload == "storm" else GOAL
                text = "{}: stock by {} {}, goal {}".format(workload, variant, shown(ratio), goal)
                cells.append(shown(ratio))
                if which != counted or len(rounds) < ROUNDS:
                    pass
                elif ratio[2] < goal:
                    missed.append(text)
                    cells[-1] += " **missed**"
                elif ratio[2] - ratio[1] > 2 * SPREAD:
                    wide.append(text)
            base = [of["stock"][n][which] for n in rounds]
            scale = 1e6 if which else 1e3
            row(workload, "{:.1f}".format(statistics.median(base) / scale), *cells)

    if counted:
        header("workload", "stock, million instructions", *["stock : " + v for v in others])
        ratios(1)
        print("\nInstructions of all tasks of the guest; ratios within a round: Hodges-Lehmann"
              "\nestimate (confidence interval of 99 %).")
    header("workload", "stock, ms", *["stock : " + v for v in others])
    ratios(0)
    print("\nTime by the guest's clock; an emulated guest's goes on with instructions alone.")

    if "storm" not in time:
        raise Incomplete("no storm, so no verdict")
    missed += evictions(lines, variants, files)
    pending = [int(w[1]) for _, v, w in lines if v == "fork" and w[0] == "pending_max"]
    print("\nAt most {} were pending on the fork.\n".format(max(pending, default=0)))
    for text in missed:
        print("Goal missed: " + text + ".")
    if missed:
        return 1
    if len(rounds) < ROUNDS:
        print("Too few rounds for a verdict on the ratios.")
        return 4
    for text in wide:
        print("Not known to \N{PLUS-MINUS SIGN}{}, more rounds are needed: {}.".format(SPREAD, text))
    if wide:
        return 4
    print("All goals hold, by {}.".format(what))
    return 0


def gnuplot(script):
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def block(name, curves):
    """Data for gnuplot, by name; each curve is a line of its own"""
    return "${} << END\n{}\nEND\n".format(
        name, "\n\n".join("\n".join(" ".join(map(str, p)) for p in c) for c in curves) or "0 0 NaN")


def plot(path):
    curves = collections.defaultdict(lambda: collections.defaultdict(list))
    for number, variant, words in read(path)[2]:
        if words[0] == "storm" and number:
            pending = "NaN" if words[3] == "-" else words[3]
            curves[variant][number].append((int(words[1]) / 1e6, words[2], pending))
    colours = {"stock": "#d62728", "off": "#7f7f7f", "live": "#ff7f0e", "fork": "#1f77b4"}
    script = "".join(block(v, of.values()) for v, of in curves.items())
    lines = ['${0} using 1:2 with lines lc "{1}" title "not evicted yet: {0}"'.format(v, colours[v])
             for v in curves]
    if "fork" in curves:
        lines.append('$fork using 1:3 with lines lc "#2ca02c" title "pending in the fork\'s queue"')
    gnuplot(script + """
        set terminal svg size 800,500 noenhanced background "white"
        set xlabel "seconds since the storm began, by the guest's clock"
        set ylabel "inodes"
        set key top right
        set yrange [0:*]
        plot """ + ", \\\n".join(lines) + "\n")
    return 0


def scale(path):
    about, _, lines = read(path)
    sizes = collections.defaultdict(dict)
    for number, variant, words in lines:
        if words[0] == "time":
            sizes[number, variant]["us"] = int(words[2])
            sizes[number, variant]["count"] = 0 if words[3] == "-" else int(words[3])
        elif words[0] in ("slab", "pending_max"):
            sizes[number, variant][words[0]] = int(words[1])
    print("\n".join(about))
    header("inodes", "ceph.ko", "s", "thousand instructions an inode", "\N{MICRO SIGN}s an inode",
           "slab, KiB an inode", "pending_max")
    for (n, variant), of in sorted(sizes.items()):
        row(n, variant, "{:.2f}".format(of["us"] / 1e6), "{:.1f}".format(of["count"] / n / 1e3),
            "{:.0f}".format(of["us"] / n), "{:.2f}".format(of["slab"] / n), of.get("pending_max", "-"))
    return 0


def micro(path):
    about, _, lines = read(path)
    pair, final = collections.defaultdict(list), collections.defaultdict(list)
    for _, variant, words in lines:
        if words[0] == "pair":
            pair[variant, words[1]].append(int(words[2]) / NS / 10000)
        elif words[0] == "final":
            final[variant, words[1], int(words[2])].append([int(w) / NS for w in words[3:]])
    names = {
        ("stock", "iput"): "stock: iput(), which evicts in place",
        ("fork", "site"): "fork: ceph_iput_async(), and a worker evicts",
        ("fork", "iput"): "fork: iput() in a workqueue, which the gate catches",
    }
    print("\n".join(about))
    header("ihold() and, not the last one,", "instructions (all rounds)")
    for who, values in pair.items():
        row(names[who].split(",")[0], ranged(values, 1))
    header("the last one to N inodes, instructions an inode (all rounds)", "N", "who drops it",
           "all tasks")
    most = max(n for _, _, n in final)
    for (variant, by, n), values in sorted(final.items(), reverse=True):
        if n:
            rest = statistics.median(v[1] for v in final[variant, by, 0])
            row(names[variant, by], n, ranged([v[0] / n for v in values]),
                ranged([(v[1] - rest) / n for v in values]) if n == most else "-")
    print("\nWho drops it: until the last one is dropped; others may run in between. All tasks: until"
          "\neverything is at rest, less what they spend in that time without. That scatters by tens"
          "\nof thousands from run to run, so it takes many inodes.")
    return 0


KINDS = {
    "create": "create", "stat": "stat, from the MDS", "read": "read, from the OSD",
    "write": "write, to the OSD", "revoke": "a cap is revoked",
}


def latencies(path):
    """What is about the run; of each (kind, variant, N), a list of ms for each turn, whether
    it stalled, and the list for the same mount before; umounts' (ms, after the answer)"""
    about, _, lines = read(path)
    turns, stalled = collections.defaultdict(list), set()
    umounts, before = collections.defaultdict(list), {}
    for _, variant, words in lines:
        if words[0] == "umount":
            rest = None if words[3] == "-" else int(words[3])
            umounts[variant, int(words[1])].append((int(words[2]), rest))
        elif words[0] == "latency":
            n, kind, values = int(words[1]), words[2], words[3:]
            key = kind, variant, n
            if values[-1:] == ["-"]:
                stalled.add(key)
                values.pop()
            values = [int(us) / 1000 for us in values]
            if n == 0:
                before[kind, variant] = values
            turns[key].append((values, before[kind, variant]))
    if {kind for kind, _, _ in turns} != set(KINDS):
        raise Incomplete("not all operations were measured")
    if any(n and variant == "stock" and (kind, variant, n) not in stalled
           for kind, variant, n in turns):
        raise Incomplete("on stock operations returned: evictions did not stall it")
    return about, turns, stalled, umounts


def latency(path):
    about, turns, stalled, umounts = latencies(path)
    variants = list(dict.fromkeys(variant for _, variant, _ in turns))
    sizes = sorted({n for _, _, n in turns})
    print("\n".join(about))
    header("ms, the 50th, the 99th percentile, the highest", "evictions that wait",
           *itertools.chain(*((v, v + ": by before") for v in variants)))
    fewest = math.inf
    for kind, n in itertools.product(KINDS, sizes):
        cells = []
        for variant in variants:
            key = kind, variant, n
            values = sorted(itertools.chain(*(after for after, _ in turns.get(key, ()))))
            if key in stalled:
                cells += ["stalls", "-"]
                continue
            if len(values) < 2:
                cells += ["not measured", "-"]
                continue
            fewest = min(fewest, len(values))
            cells.append("{:.1f}, {:.1f}, {:.1f}".format(
                statistics.median(values),
                statistics.quantiles(values, n=100, method="inclusive")[98], values[-1]))
            ratios = [statistics.median(after) / statistics.median(first)
                      for after, first in turns[key]]
            cells.append(ranged(ratios, 2) if n else "1")
        row(KINDS[kind], n, *cells)
    print("\nAt least {} of each, by the guest's clock. By before: the 50th percentile, by that"
          "\nof the same mount without them; all turns. stalls: one did not return for seconds,"
          "\nand only did when the OSD went on.".format(fewest))
    header("umount", "evictions that wait",
           "ms from the call, the OSD goes on at once (all rounds)",
           "of these after the OSD's answer")
    for (variant, n), values in sorted(umounts.items(), key=lambda item: item[0]):
        row(variant, n, *("-" if None in ms else ranged(ms) for ms in zip(*values)))
    return 0


def curves(path):
    _, turns, _, umounts = latencies(path)
    colours = ["#7f7f7f", "#2ca02c", "#ff7f0e", "#1f77b4", "#9467bd", "#8c564b"]
    sizes = sorted({n for _, _, n in turns})
    script, plots = "", []
    for kind, title in KINDS.items():
        lines = []
        for (of, variant, n), values in sorted(turns.items()):
            values = sorted(itertools.chain(*(after for after, _ in values)))
            if of != kind or not values:
                continue
            name = "{}_{}_{}".format(kind, variant, n)
            points = [(ms, 100 * (i + 1) / len(values)) for i, ms in enumerate(values)]
            script += block(name, [points])
            lines.append('${} using 1:2 with lines lc "{}" dt {} title "{}, {} wait"'.format(
                name, colours[sizes.index(n) % len(colours)], 2 if variant == "stock" else 1,
                variant, n))
        plots.append((title, lines))
    script += block("umounts", [[(n, ms) for ms, _ in values]
                                for (variant, n), values in sorted(umounts.items())
                                if variant == "fork"])
    script += """
        set terminal svg size 1200,700 noenhanced background "white"
        set multiplot layout 2,3
        set logscale x
        set key bottom right
        set xlabel "ms"
        set ylabel "% that take no longer"
        """
    for title, lines in plots:
        script += 'set title "{}"\nplot {}\n'.format(title, ", ".join(lines))
    gnuplot(script + """
        set title "umount of the fork, the OSD goes on at once"
        set xlabel "evictions that wait, and 1"
        set ylabel "ms"
        set yrange [0:*]
        plot $umounts using ($1 + 1):2 with points pt 7 notitle
        """)
    return 0


def main():
    commands = {"table": table, "plot": plot, "scale": scale, "micro": micro,
                "latency": latency, "curves": curves}
    if len(sys.argv) < 3 or sys.argv[1] not in commands or \
            len(sys.argv) > 3 and sys.argv[1] != "table":
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return commands[sys.argv[1]](*sys.argv[2:])
    except Incomplete as reason:
        print("\nincomplete: {}".format(reason))
        return 4


if __name__ == "__main__":
    sys.exit(main())
