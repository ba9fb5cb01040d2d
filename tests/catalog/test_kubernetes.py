"""The calendar of Kubernetes versions on EKS."""

from datetime import date

import pytest

from hyperpod_constructs.core import catalog

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("version", "day", "status", "days_left"),
    [
        ("1.30", TODAY, "ended", 0),
        ("1.31", TODAY, "extended", 3),
        ("1.31", date(2026, 11, 25), "extended", 1),
        ("1.31", date(2026, 11, 26), "ended", 0),
        ("1.32", TODAY, "extended", 120),
        ("1.34", TODAY, "standard", 9),
        ("1.34", date(2026, 12, 1), "standard", 1),
        ("1.34", date(2026, 12, 2), "extended", 365),
        ("1.35", TODAY, "standard", 124),
        ("1.35", date(2026, 1, 26), "unreleased", None),
        ("1.35", date(2026, 1, 27), "standard", 424),
        ("1.36", TODAY, "standard", 252),
        ("1.37", TODAY, "unknown", None),
    ],
)
def test_status_on_a_day(version: str, day: date, status: str, days_left: int | None) -> None:
    found = catalog.kubernetes_version(version)
    assert (found.status(day), found.days_left(day)) == (status, days_left)
    with catalog.use_clock(day):
        assert (found.status(), found.days_left()) == (status, days_left)


def test_hyperpod_documents_1_30_to_1_35() -> None:
    documented = [
        version
        for version, kubernetes_version in catalog.kubernetes_versions().items()
        if kubernetes_version.hyperpod_documented
    ]
    assert documented == ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35"]


@pytest.mark.parametrize(
    ("day", "version"),
    [
        (date(2025, 12, 1), "1.34"),
        (TODAY, "1.35"),
        (date(2027, 3, 26), "1.35"),
        (
            date(2027, 3, 27),
            "1.35",
        ),  # no documented version is in standard support: the newest version in extended support
        (date(2028, 3, 26), "1.35"),
    ],
)
def test_default_version(day: date, version: str) -> None:
    assert str(catalog.default_kubernetes_version(day)) == version
    with catalog.use_clock(lambda: day):
        assert catalog.default_kubernetes_version().version == version


def test_no_default_when_the_catalog_is_too_old() -> None:
    with pytest.raises(LookupError, match=r"documents on 2030-01-01: .*hyperpod catalog refresh"):
        catalog.default_kubernetes_version(date(2030, 1, 1))


def test_the_clock_is_reset_when_the_block_ends() -> None:
    before = catalog.today()
    with catalog.use_clock(date(2000, 1, 1)), catalog.use_clock(date(2001, 1, 1)):
        assert catalog.today() == date(2001, 1, 1)
    assert catalog.today() >= before


def test_versions_are_in_order_and_dates_follow_each_other() -> None:
    versions = [*catalog.kubernetes_versions().values()]
    assert [version.minor for version in versions] == sorted(version.minor for version in versions)
    for item in versions:
        if item.released and item.end_of_standard_support and item.end_of_extended_support:
            assert item.released < item.end_of_standard_support < item.end_of_extended_support


@pytest.mark.parametrize("wrong", ["1.3", "1.99", "v1.35", "1.35.2", "latest"])
def test_unknown_versions(wrong: str) -> None:
    assert catalog.find_kubernetes_version(wrong) is None
    with pytest.raises(catalog.UnknownName, match=f"unknown Kubernetes version '{wrong}'"):
        catalog.kubernetes_version(wrong)


def test_minor_numbers_compare_as_numbers() -> None:
    assert catalog.minor("1.9") < catalog.minor("1.35") == catalog.minor("1.35.4")
    with pytest.raises(ValueError, match="'135' is not a valid Kubernetes version"):
        catalog.minor("135")
