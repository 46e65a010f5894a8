"""What the views show of log text is what the terminal emulator pyte shows.

`tests/golden/terminal.json` holds both sides' cases; run this file to write it anew.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyte
import pyte.modes
import pytest

FILE = Path(__file__).parents[1] / "golden" / "terminal.json"
COLUMNS, LINES = 300, 60
ATTRIBUTES = {
    "bold": "bold",
    "italics": "italic",
    "underscore": "underline",
    "strikethrough": "strike",
    "reverse": "inverse",
}
NAMES = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
COLOURS = {name: place for place, name in enumerate(NAMES)}
COLOURS |= {f"bright{name}": place + 8 for place, name in enumerate(NAMES)}
COLOURS |= {"bfightmagenta": 13}  # sic, in pyte 0.8.2

CASES = {
    "plain lines": "one\ntwo\n\nfour\n",
    "no break at the end": "one\ntwo",
    "DOS lines": "one\r\ntwo\r\n",
    "progress by carriage returns": "  0 %\r 50 %\r100 %\ndone\n",
    "a shorter text over a longer one": "abcdefgh\rxyz\n",
    "a bar of tqdm": "\r  0%|          | 0/3\r 33%|###3      | 1/3\r100%|##########| 3/3\n",
    "backspaces of SWMM": " o  Simulating day: 0     hour:  0\b\b0\b\b1\b\b2\b\b\b\b 10\n",
    "backspaces beyond the start": "ab\b\b\b\bxy\n",
    "tabs": "a\tb\tccccccccc\td\n\tx\n",
    "a tab over text": "abcdefghijkl\r\tX\n",
    "colours": "\x1b[31mred\x1b[0m plain \x1b[1;32mbold green\x1b[m\n",
    "bright colours": "\x1b[94mbright blue\x1b[39m end\n",
    "backgrounds": "\x1b[41mon red\x1b[49m none \x1b[30;103mblack on bright yellow\x1b[0m\n",
    "attributes": "\x1b[1mb\x1b[22m \x1b[3mi\x1b[23m \x1b[4mu\x1b[24m\n",
    "more attributes": "\x1b[7mr\x1b[27m \x1b[9ms\x1b[29m \x1b[1;4;31mall\x1b[0m\n",
    "256 colours": "\x1b[38;5;196mred \x1b[38;5;46mgreen \x1b[38;5;21mblue\x1b[0m\n",
    "true colours": "\x1b[38;2;255;100;0morange\x1b[48;2;0;0;128mon navy\x1b[0m\n",
    "colour over colour": "\x1b[31mabcdef\x1b[0m\r\x1b[32mxy\x1b[0m\n",
    "a colour lasts over lines": "\x1b[33mone\ntwo\x1b[0m three\n",
    "erase to the end": "downloading 99 %\rdone\x1b[K\n",
    "erase to the start": "abcdef\x1b[3D\x1b[1Kxyz\n",
    "erase the line": "abcdef\x1b[2K\rxy\n",
    "erase in colour": "\x1b[31mabcdef\x1b[0m\x1b[4D\x1b[K!\n",
    "up and over": "a: 0 %\nb: 0 %\n\x1b[2Aa: 50 %\nb: 70 %\n",
    "up beyond the top": "a\nb\n\x1b[9Atop\n",
    "up and down": "one\ntwo\nthree\x1b[2A!\x1b[1B?\n",
    "previous and next line": "one\ntwo\x1b[1Fx\x1b[1Ey\n",
    "columns": "abcdef\x1b[3GX\x1b[2CY\x1b[1DZ\n",
    "erase below": "one\ntwo\nthree\n\x1b[2A\x1b[Jnew\n",
    "titles are dropped": "\x1b]0;evil title\x07text\x1b]2;other\x1b\\more\n",
    "links are dropped": "\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\ here\n",
    "modes and character sets are dropped": "\x1b[?25l\x1b(B\x1b[mtext\x1b[?25hend\n",
    "bells and zeros are dropped": "a\x07b\x00c\x7fd\n",
    "box drawing and letters": "┌──┐ größe µ\n",
    "a tab after wide letters": "名前\t値\n計算中\tx\n一二三四\ty\n",
    "a tab after pictures": "🚀 go\tx\n✅\ty\n12345⭐❌\tz\n",
    "wide letters over text": "abcdefgh\r漢字\n12%\t計算\r34%\n",
    "text over wide letters": "漢字漢字\x1b[3Gxy\n한국어\rabcd\n",
    "wide letters erased": "漢字漢字\x1b[4D\x1b[K!\nカナ\b\b \b\bx\n",
    "colours of wide letters": "\x1b[31m漢\x1b[0m字\x1b[32m✅ok🚀\x1b[0m、\x1b[1mx\x1b[0m\n",
}

TOKENS = (
    *("a", "bc", "def ghi", "12345678", "é", "\n", "\n", "\r", "\r", "\b", "\b\b", "\t"),
    *(f"\x1b[{n}m" for n in (0, 1, 4, 31, 32, 95, 39, "1;34", "38;5;120")),
    # Erased cells take the colour of the moment in pyte, which nobody sees.
    *(f"\x1b[0m\x1b[{what}K" for what in ("", 0, 1, 2)),
    *("\x1b[A", "\x1b[2A", "\x1b[3C", "\x1b[2D", "\x1b[5G", "\x1b[F", "\x1b[?25l", "\x07"),
)


def mixtures(count):
    """Texts of many controls in any order, the same each time."""
    chance = random.Random(7)
    return {
        f"mixture {i}": "".join(chance.choices(TOKENS, k=chance.randrange(3, 60)))
        for i in range(count)
    }


CASES |= mixtures(100)


def shown(text):
    """Rows as pyte shows them: text without blanks at its end, and the spans that are not plain."""
    screen = pyte.Screen(COLUMNS, LINES)
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(text)
    rows = [row_of(screen.buffer[line]) for line in range(LINES)]
    while rows and rows[-1] == {"text": "", "spans": []}:
        rows.pop()
    return rows


def row_of(cells):
    letters = [cells[column] for column in range(COLUMNS)]
    text = "".join(letter.data for letter in letters).rstrip()
    spans = []
    place = 0
    for letter in letters:
        if place >= utf16_length(text):
            break
        # The second column of a wide letter has none of its own.
        end = place + utf16_length(letter.data)
        style = style_of(letter)
        if spans and spans[-1]["end"] == place and spans[-1]["style"] == style:
            spans[-1]["end"] = end
        elif style and end > place:
            spans.append({"start": place, "end": end, "style": style})
        place = end
    return {"text": text, "spans": spans}


def utf16_length(text):
    """Letters as JavaScript counts them."""
    return len(text.encode("utf-16-le")) // 2


def style_of(letter):
    style = {ours: True for theirs, ours in ATTRIBUTES.items() if getattr(letter, theirs)}
    for name in ("fg", "bg"):
        colour = getattr(letter, name)
        if colour != "default":
            style[name] = COLOURS.get(colour, colour)
    return style


def golden():
    return [{"about": about, "text": text, "rows": shown(text)} for about, text in CASES.items()]


@pytest.mark.parametrize("about", CASES)
def test_the_golden_cases_are_what_pyte_shows(about):
    recorded = {case["about"]: case for case in json.loads(FILE.read_text())}

    assert recorded[about]["text"] == CASES[about]
    assert recorded[about]["rows"] == shown(CASES[about])


if __name__ == "__main__":
    FILE.write_text(
        json.dumps(golden(), ensure_ascii=True).replace('{"about"', '\n{"about"') + "\n"
    )
