"""Our segments in the words of the peers that name theirs otherwise."""

from tests.parity.members import Member

FULL_DUAL, PARTIAL_DUAL = {"02", "04", "08"}, {"01", "03", "05", "06"}
MEDICAID = FULL_DUAL | PARTIAL_DUAL
CMS_HCC_COLUMNS = {
    "CNA": "community_na", "CPA": "community_pba", "CFA": "community_fba",
    "CND": "community_nd", "CPD": "community_pbd", "CFD": "community_fbd",
    "INS": "institutional", "NE": "ne", "SNPNE": "ne_snp",
}  # fmt: skip
ESRD_POPULATIONS = {
    "DNE": "NE_DIAL", "DI": "DIAL", "GNE": "NE_GRAFT", "GNE_DUR4_9": "NE_GRAFT",
    "GNE_DUR10PL": "NE_GRAFT", "GI": "GRAFT_INST", "GC": "GRAFT_COMM", "GFA": "GRAFT_COMM",
    "GFN": "GRAFT_COMM", "GNPA": "GRAFT_COMM", "GNPN": "GRAFT_COMM",
}  # fmt: skip
ESRD_V24_COMMUNITY = {
    "GFA": "g_comm_fbd_ge65", "GFN": "g_comm_fbd_lt65", "GNPA": "g_comm_nd_pbd_ge65",
    "GNPN": "g_comm_nd_pbd_lt65",
}  # fmt: skip


def esrd_population(segment: str) -> str:
    """Name an ESRD segment in risk-adjustment-model; it calls transplant months as we do."""
    return ESRD_POPULATIONS.get(segment, segment)


def risk_compose_column(key: str, segment: str, member: Member) -> str:
    """Name the score family of risk-compose that a member is paid by."""
    if key.startswith("cms_hcc"):
        return CMS_HCC_COLUMNS[segment]
    if key.startswith("rxhcc"):
        return segment.lower()
    if segment.startswith("TRANSPLANT"):
        return f"transplant_kidney_only_{segment[-2:].lower()}"
    if not segment.startswith("G"):
        return {"DI": "dial", "DNE": "dial_ne"}[segment]
    return (_graft_v21 if key.startswith("esrd_v21") else _graft_v24)(segment, member)


def _graft_v21(segment: str, member: Member) -> str:
    family = {"GC": "graft_comm", "GI": "graft_inst", "GNE": "graft_ne"}[segment]
    return f"{family}_{_duration(member)}_{_age(segment, member)}"


def _graft_v24(segment: str, member: Member) -> str:
    age, duration, dual = _age(segment, member), _duration(member), _dual(member)
    if segment == "GI":
        return f"graft_inst_{dual}_{age}_{duration}"
    if segment.startswith("GNE"):
        return f"graft_ne_{age}_{duration}_{dual}"
    return f"{ESRD_V24_COMMUNITY[segment]}_{duration}"


def _duration(member: Member) -> str:
    return "dur4_9" if member.months < 10 else "dur10pl"


def _age(segment: str, member: Member) -> str:
    """Say which age a graft's duration has: a new enrollee of 64 with OREC 0 counts as 65."""
    turning = segment.startswith("GNE") and member.age == 64 and member.orec == 0
    return "ge65" if member.age >= 65 or turning else "lt65"


def _dual(member: Member) -> str:
    return "fbd" if member.dual in FULL_DUAL else "nd_pbd"
