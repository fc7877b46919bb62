"""Reads what is told to Prometheus, and is stricter than Prometheus itself: what `promtool check metrics` looks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

Labels = frozenset[tuple[str, str]]
Series = tuple[str, Labels]

_NAME = r"[a-z][a-z0-9_]*"
_SAMPLE = re.compile(rf'({_NAME})(?:\{{((?:{_NAME}="(?:[^"\\]|\\[\\"n])*",?)*)\}})? (\S+)')
_LABEL = re.compile(rf'({_NAME})="((?:[^"\\]|\\[\\"n])*)"')
_SUFFIXES = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}


@dataclass
class Family:
    """One metric: what it is, and its samples in their order."""

    name: str
    says: str
    kind: str = ""
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)


def read(text: str) -> dict[str, Family]:
    """The families of a scrape, by name; fails in words where it is not as it has to be."""
    families: dict[str, Family] = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, says = line.split(" ", 3)
            assert name not in families, f"{name} is told in two places"
            families[name] = Family(name, says)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert list(families)[-1] == name, f"the type of {name} does not follow its help"
            families[name].kind = kind
        else:
            _add(list(families.values())[-1], line)
    for family in families.values():
        _check(family)
    return families


def values(families: Mapping[str, Family]) -> dict[Series, float]:
    """Every series with its value."""
    return {(name, labels): value for family in families.values() for name, labels, value in family.samples}


def sums(families: Mapping[str, Family]) -> dict[Series, float]:
    """Of them, those that may never fall: counters, and all of histograms."""
    return values({name: family for name, family in families.items() if family.kind in ("counter", "histogram")})


def fallen(before: Mapping[Series, float], now: Mapping[Series, float]) -> dict[Series, tuple[float, float | None]]:
    """What is less than it was, or is not told any more."""
    return {series: (was, now.get(series)) for series, was in before.items() if now.get(series, -1.0) < was}


def total(series: Mapping[Series, float], name: str, **labels: str) -> float:
    """The sum over all series of this name that have these labels."""
    return sum(
        value for (its, labelled), value in series.items() if its == name and set(labels.items()) <= set(labelled)
    )


def names(families: Iterable[Family]) -> set[str]:
    """All that a query may ask for."""
    return {f"{family.name.removesuffix('_total')}{suffix}" for family in families for suffix in _SUFFIXES[family.kind]}


def _add(family: Family, line: str) -> None:
    matched = _SAMPLE.fullmatch(line)
    assert matched, f"no sample: {line}"
    name, labels, value = matched.groups()
    given = _LABEL.findall(labels or "")
    assert len(dict(given)) == len(given), f"a label twice: {line}"
    family.samples.append((name, frozenset((label, _plain(text)) for label, text in given), float(value)))


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


def _check(family: Family) -> None:
    base = family.name.removesuffix("_total")
    assert family.kind in _SUFFIXES, f"{family.name} is of no known type: {family.kind}"
    assert (family.kind == "counter") == family.name.endswith("_total"), f"{family.name}: counters end so, no others"
    assert family.says.strip(), f"{family.name} says nothing"
    assert family.says.endswith("."), f"{family.name}: {family.says}"
    assert not set(base.split("_")) & {"counter", "gauge", "histogram", "milliseconds", "minutes", "ms"}, family.name
    told = [(name, labels) for name, labels, _ in family.samples]
    assert len(set(told)) == len(told), f"a series twice in {family.name}"
    assert {name for name, _ in told} <= {base + suffix for suffix in _SUFFIXES[family.kind]}, told
    assert all(value >= 0 for *_, value in family.samples), f"less than nothing in {family.name}"
    if family.kind == "histogram":
        _check_histogram(family)


def _check_histogram(family: Family) -> None:
    groups: dict[Labels, dict[str, list[tuple[float, float]]]] = {}
    for name, labels, value in family.samples:
        edge = next((float(text) for label, text in labels if label == "le"), 0.0)
        own = frozenset(label for label in labels if label[0] != "le")
        groups.setdefault(own, {}).setdefault(name.removeprefix(family.name), []).append((edge, value))
    for labels, parts in groups.items():
        assert set(parts) == _SUFFIXES["histogram"], f"{family.name} {labels} has only {set(parts)}"
        buckets = parts["_bucket"]
        assert all(one[0] < other[0] for one, other in pairwise(buckets)), f"edges not ascending: {buckets}"
        assert all(one[1] <= other[1] for one, other in pairwise(buckets)), f"not cumulative: {buckets}"
        assert buckets[-1] == (float("inf"), parts["_count"][0][1]), f"the last is not the count: {parts}"
