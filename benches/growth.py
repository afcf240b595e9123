#!/usr/bin/env python3
"""Draws a table that the tests `sqlite_growth` and `postgres` of `mailwire-store` print, in both directions by powers of ten:

    cargo test --release -p mailwire-store --test sqlite_growth mailboxes -- --ignored --nocapture | benches/growth.py >docs/src/growth.svg
"""

import math
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 860, 480, 70, 40, 230, 50
COLOURS = ("#1b6ca8", "#c0392b", "#1e8449", "#8e44ad", "#b9770e", "#34495e")


def main():
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in sys.stdin if line.startswith("|")]
    names, rows = rows[0], [list(map(float, row)) for row in rows[2:]]
    counts = [row[0] for row in rows]
    values = [value for row in rows for value in row[1:]]
    low, high = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))
    first, last = math.log10(counts[0]), math.log10(counts[-1])

    def x(count):
        return LEFT + (math.log10(count) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value):
        return TOP + (high - math.log10(value)) / (high - low) * (HEIGHT - TOP - BOTTOM)

    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">')
    print(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    print(f'<text x="{LEFT}" y="22">Microseconds, by messages in the mailbox</text>')
    for power in range(low, high + 1):
        at = y(10 ** power)
        print(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
              f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10 ** power:,}</text>')
    for count in counts:
        print(f'<text x="{x(count):.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{count:,.0f}</text>')
    # Names stand at the ends of their lines, each at a place of its own.
    ends = sorted(range(1, len(names)), key=lambda column: y(rows[-1][column]))
    place = 0
    for column in ends:
        colour = COLOURS[(column - 1) % len(COLOURS)]
        points = " ".join(f"{x(row[0]):.1f},{y(row[column]):.1f}" for row in rows)
        place = max(place + 17, y(rows[-1][column]))
        print(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
              f'<text x="{WIDTH - RIGHT + 10}" y="{place + 4:.1f}" fill="{colour}">{names[column]}</text>')
    print("</svg>")


if __name__ == "__main__":
    main()
