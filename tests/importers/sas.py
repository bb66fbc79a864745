"""What the text of one of CMS's SAS macros says, read apart from the importers."""

import re
import zipfile
from functools import cached_property
from pathlib import Path

Cells = set[tuple[str, int, int, str]]
SEX = {"1": "M", "2": "F"}
OLDEST = 120


def macro_names(wheels: Path) -> dict[str, str]:
    """Return the macros in the hccpy wheel: name in capitals, without ending, to file."""
    with zipfile.ZipFile(next(wheels.glob("hccpy-*.whl"))) as wheel:
        files = [n for n in wheel.namelist() if n.startswith("hccpy/data/")]
    return {Path(n).stem.upper(): n for n in files if n.upper().endswith(".TXT")}


class Macro:
    """One macro: its lines, and what its statements say."""

    def __init__(self, wheels: Path, name: str) -> None:
        with zipfile.ZipFile(next(wheels.glob("hccpy-*.whl"))) as wheel:
            self.text = wheel.read(macro_names(wheels)[name.upper()]).decode("latin-1")
        self.lines = self.text.split("\n")
        bare = re.sub(r"/\*.*?\*/", "", self.text, flags=re.DOTALL)
        self.statements = [" ".join(s.split()) for s in re.sub(r"%\*[^;]*;", "", bare).split(";")]

    def cited(self, ranges: str) -> list[str]:
        """Return the text of each range of ``105, 111-127 and 151-165``."""
        found = re.findall(r"(\d+)(?:-(\d+))?", ranges)
        return ["\n".join(self.lines[int(a) - 1 : int(b or a)]) for a, b in found]

    @cached_property
    def lets(self) -> dict[str, list[str]]:
        """``%LET NAME=%STR(...)``: name to words."""
        matches = (re.fullmatch(r"%LET (\w+) ?= ?(.*)", s) for s in self.statements)
        return {m[1]: re.findall(r"&?\w+", m[2].removeprefix("%STR")) for m in matches if m}

    def expanded(self, name: str) -> set[str]:
        """Return the words of a list, with those of the lists that it names."""
        known = {k.upper(): k for k in self.lets}
        words = set()
        for word in self.lets[name]:
            inner = known.get(word.removeprefix("&").upper()) if word.startswith("&") else None
            words |= self.expanded(inner) if inner else {word}
        return words

    @cached_property
    def assigned(self) -> dict[str, str]:
        """``NAME = expression``: name to expression."""
        matches = (re.fullmatch(r"(\w+) ?= ?(.+)", s) for s in self.statements)
        return {m[1]: m[2] for m in matches if m}

    @cached_property
    def groups(self) -> dict[str, set[str]]:
        """``NAME = MAX(HCC8, HCC9)`` and ``NAME = HCC85``: name to categories."""
        category = r"HCC\d+"
        pattern = rf"{category}|MAX\({category}(, ?{category})*\)"
        return {
            name: set(re.findall(category, value))
            for name, value in self.assigned.items()
            if re.fullmatch(pattern, value)
        }

    @cached_property
    def products(self) -> dict[str, set[str]]:
        """``NAME = A*(B)`` and ``NAME = (AGEF < 65 & A > 0)``: name to factors, in capitals.

        A factor that is itself a product, and no list's variable, gives its own factors.
        """
        listed = {w for words in self.lets.values() for w in words} - set(
            self.lets.get("DIAG_CAT", ())
        )
        factors = {
            name: {
                re.sub(r"[() ]|> ?0", "", f).upper().replace("AGEF", "AGE")
                for f in re.split(r"[*&]", value)
            }
            for name, value in self.assigned.items()
            if re.search(r"\*|&", value) and not value.startswith('"')
        }
        inner = {n.upper(): f for n, f in factors.items() if n not in listed}
        return {
            name: {part for f in found for part in inner.get(f, {f})}
            for name, found in factors.items()
        }

    @cached_property
    def age_64(self) -> str:
        """Whether age 64 with OREC 0 becomes 65 for every cell."""
        line = "IF AGEF=64 & OREC='0' THEN AGEF=65"
        return "all_cells" if line in self.statements else "ne_cells"

    @cached_property
    def counts(self) -> list[str]:
        """Names of the payment-condition counts: exact ones, then the open one."""
        array = [m for s in self.statements if (m := re.search(r"ZS\((\d)\) D1-D\1$", s))]
        above = [m for s in self.statements if (m := re.fullmatch(r"(\w+)=\(HCC_pymt>=(\d+)\)", s))]
        if not array:
            return []
        assert int(above[0][2]) == int(array[0][1]) + 1
        return [*(f"D{n}" for n in range(1, int(array[0][1]) + 1)), above[0][1]]

    @cached_property
    def requires_any(self) -> dict[str, set[str]]:
        """``IF CC223 = 1 AND MAX(CC221, ...) = 0 THEN CC223 = 0``: target to sources."""
        pattern = r"IF CC(\d+) = 1 AND MAX\((.*)\) = 0 THEN CC\1 = 0"
        matches = (re.fullmatch(pattern, s) for s in self.statements)
        return {f"HCC{m[1]}": {f"H{c}" for c in m[2].split(", ")} for m in matches if m}

    @cached_property
    def new_enrollee_groups(self) -> dict[str, tuple[set[str], int]]:
        """``NAME = (NEMCAID <=0 and NE_ORIGDS > 0)``: name to guard and youngest age."""
        youngest = {
            m[1]: 65 if m[2] == "ONE_AGESEXV" else 0
            for s in self.statements
            if (m := re.fullmatch(r"%INTER\(PVAR = (\w+), RLIST = &(\w+) ?\)", s))
        }
        pattern = r"\(NEMCAID (<=|>) ?0 and NE_ORIGDS (<=|>) ?0\)"
        return {
            name: ({"!" * (m[1] == "<=") + "medicaid", "!" * (m[2] == "<=") + "NE_ORIGDS"},
                   youngest[name])
            for name, value in self.assigned.items()
            if (m := re.fullmatch(pattern, value))
        }  # fmt: skip

    @cached_property
    def cells(self) -> Cells:
        """``WHEN(&SEX='2' & 34< &AGEF <=44) _AGESEX = 2``: cell, youngest, oldest, guard."""
        arrays = {
            "_AGESEX": self._array(r"ARRAY CELL\(24\) (.*)"),
            "NE_AGESEX": self._array(r"ARRAY NECELL\(32\) (.*)"),
        }
        found = set()
        for statement in self.statements:
            if match := re.search(r"WHEN\((.*)\) (\w+) = (\d+)$", statement):
                name = arrays[match[2]][int(match[3]) - 1]
                sex, low, high, guard = _when(match[1].replace(" ", ""))
                assert name.removeprefix("NE")[0] == sex
                found.add((name, low, high, guard))
        return found

    def _array(self, pattern: str) -> list[str]:
        (match,) = [m for s in self.statements if (m := re.fullmatch(pattern, s))]
        return match[1].split()


def _when(condition: str) -> tuple[str, int, int, str]:
    """Return sex, youngest, oldest and guard of one WHEN."""
    sex, rest = re.fullmatch(r"&SEX='([12])'&(.*)", condition).groups()
    if m := re.fullmatch(r"(\d+)(<=?)&AGEF<=(\d+)", rest):
        return SEX[sex], int(m[1]) + (m[2] == "<"), int(m[3]), ""
    if m := re.fullmatch(r"&AGEF>(\d+)", rest):
        return SEX[sex], int(m[1]) + 1, OLDEST, ""
    m = re.fullmatch(r"&AGEF=(\d+)(?:&&OREC(NE|=)'0')?", rest)
    return SEX[sex], int(m[1]), int(m[1]), {None: "", "NE": "orec!=0", "=": "orec=0"}[m[2]]
