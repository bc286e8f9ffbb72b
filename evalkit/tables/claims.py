"""What a file says of its figures, judged by the figures: sums, rows that are one run, best rows, totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from evalkit.errors import InputError, did_you_mean
from evalkit.tables.figures import CheckFinding, FigureIndex, Place, Verdict, spearman
from evalkit.tables.formulas import FORMULAS, Combined, Formula, combine, listed
from evalkit.tables.published import AlikeClaim, BestClaim, BetterClaim, SameClaim, SumRule, TotalRule, number_in

_SLACK = Decimal("1e-9")  # of a total that float64 adds up


def judged_claims(index: FigureIndex) -> Iterator[CheckFinding]:
    """Yield a finding for everything that the file says, in its order.

    Raises:
        InputError: it names a table, row, column or formula that is not there; with the line.
    """
    figures = index.figures
    for number, rule in enumerate(figures.sums):
        yield _sum(rule, index.line("sums", number))
    for number, claim in enumerate(figures.same):
        yield _same(claim, index, "same", number)
    for number, claim_best in enumerate(figures.best):
        yield from _best(claim_best, index, "best", number)
    for number, claim_better in enumerate(figures.better):
        yield from _better(claim_better, index, "better", number)
    for number, claim_alike in enumerate(figures.alike):
        yield _alike(claim_alike, index, "alike", number)
    for number, rule_total in enumerate(figures.totals):
        yield from _total(rule_total, index, "totals", number)


def _sum(rule: SumRule, line: int) -> CheckFinding:
    numbers = [_given(text) for text in rule.parts]
    total, found = _given(rule.total), sum(numbers, Decimal(0))
    within = (
        Decimal(str(rule.within)) if rule.within is not None else sum(map(_half_unit, [*numbers, total]), Decimal(0))
    )
    shown = " + ".join(text.strip() for text in rule.parts)
    verdict: Verdict = "holds" if abs(found - total) <= within else "fails"
    end = f"as said ({rule.total.strip()})" if verdict == "holds" else f"not {rule.total.strip()}"
    return CheckFinding("sums", verdict, f"{rule.title}: {shown} = {_plain(found)}, {end}.", (), rule.said, line)


def _same(claim: SameClaim, index: FigureIndex, *where: Any) -> CheckFinding:
    other_table = claim.other_table or claim.table
    one = index.row(claim.table, claim.row, *where)
    other = index.row(other_table, claim.other, *where)
    shared = [column for column in one if column in other and None not in (one[column], other[column])]
    between = f"'{claim.row}' in '{claim.table}' and '{claim.other}' in '{other_table}'"
    line = index.line(*where)
    if not shared:
        return CheckFinding("same", "open", f"{between} have no number in a common column.", (), claim.said, line)
    different = [column for column in shared if one[column] != other[column]]
    places = tuple(
        place
        for column in different or shared
        for place in (index.place(claim.table, claim.row, column), index.place(other_table, claim.other, column))
    )
    if different:
        shown = ", ".join(
            f"{c} {index.printed[claim.table, claim.row][c]} and {index.printed[other_table, claim.other][c]}"
            for c in different
        )
        return CheckFinding("same", "fails", f"{between} differ: {shown}.", places, claim.said, line)
    shown = ", ".join(f"{column} {index.printed[claim.table, claim.row][column]}" for column in shared)
    return CheckFinding("same", "holds", f"{between} agree: {shown}.", places, claim.said, line)


def _best(claim: BestClaim, index: FigureIndex, *where: Any) -> Iterator[CheckFinding]:
    own = index.row(claim.table, claim.row, *where)
    table, line = index.table(claim.table, *where), index.line(*where)
    rows = [row for row in table.rows if claim.block is None or row.block == claim.block]
    if claim.row not in {row.name for row in rows}:
        raise InputError(
            f"{index.place_text(*where)}: the row '{claim.row}' is not in the block '{claim.block}'.",
        )
    among = f" of the block '{claim.block}'" if claim.block is not None else ""
    for column in _columns(claim.columns, claim.table, claim.table, index, where):
        value, side = own[column], index.column(claim.table, column, *where)
        if value is None:
            yield CheckFinding(
                "best",
                "open",
                f"'{claim.row}' has no {column}.",
                (index.place(claim.table, claim.row, column),),
                claim.said,
                line,
            )
            continue
        numbers = {row.name: index.numbers[claim.table, row.name][column] for row in rows}
        others = {name: number for name, number in numbers.items() if number is not None and name != claim.row}
        if not others:
            text = f"No other row{among} has a {column} to compare '{claim.row}' with."
            yield CheckFinding("best", "open", text, (index.place(claim.table, claim.row, column),), claim.said, line)
            continue
        pick = max if side == "higher" else min
        best = pick(others, key=lambda name: others[name])
        beaten = others[best] > value if side == "higher" else others[best] < value
        places = (index.place(claim.table, claim.row, column), index.place(claim.table, best, column))
        mine, theirs = places[0].value, places[1].value
        if beaten:
            text = f"The best {column}{among} is that of '{best}' ({theirs}), not of '{claim.row}' ({mine})."
            yield CheckFinding("best", "fails", text, places, claim.said, line)
        elif others[best] == value:
            text = f"'{claim.row}' has the best {column}{among} ({mine}), and so has '{best}'."
            yield CheckFinding("best", "holds", text, places, claim.said, line)
        else:
            text = f"'{claim.row}' has the best {column}{among} ({mine}); next is '{best}' ({theirs})."
            yield CheckFinding("best", "holds", text, places, claim.said, line)


def _better(claim: BetterClaim, index: FigureIndex, *where: Any) -> Iterator[CheckFinding]:
    other_table = claim.than_table or claim.table
    one, other = index.row(claim.table, claim.row, *where), index.row(other_table, claim.than, *where)
    line = index.line(*where)
    for column in _columns(claim.columns, claim.table, other_table, index, where):
        side = index.column(claim.table, column, *where)
        index.column(other_table, column, *where)
        places = (index.place(claim.table, claim.row, column), index.place(other_table, claim.than, column))
        mine, theirs = one[column], other[column]
        if mine is None or theirs is None:
            without = claim.row if mine is None else claim.than
            yield CheckFinding("better", "open", f"'{without}' has no {column}.", places, claim.said, line)
            continue
        holds = mine > theirs if side == "higher" else mine < theirs
        word = "better than" if holds else "as good as" if mine == theirs else "worse than"
        text = f"{column}: '{claim.row}' ({places[0].value}) is {word} '{claim.than}' ({places[1].value})."
        yield CheckFinding("better", "holds" if holds else "fails", text, places, claim.said, line)


def _alike(claim: AlikeClaim, index: FigureIndex, *where: Any) -> CheckFinding:
    a, b = claim.columns
    sides = [index.column(claim.table, name, *where) for name in claim.columns]
    turn = -1 if set(sides) == {"higher", "lower"} else 1
    rows = [index.numbers[claim.table, row.name] for row in index.table(claim.table, *where).rows]
    count, value = spearman([(row[a], row[b]) for row in rows])
    places, line = (Place(claim.table, None, a), Place(claim.table, None, b)), index.line(*where)
    if value is None:
        text = f"{a} and {b} of '{claim.table}' have too few rows with both numbers, or no differences ({count} rows)."
        return CheckFinding("alike", "open", text, places, claim.said, line)
    value *= turn
    wanted = [
        *([f"at least {claim.at_least:g}"] if claim.at_least is not None else []),
        *([f"at most {claim.at_most:g}"] if claim.at_most is not None else []),
    ]
    holds = (claim.at_least is None or value >= claim.at_least) and (claim.at_most is None or value <= claim.at_most)
    turned = ", better sides turned alike" if turn < 0 else ""
    text = (
        f"{a} and {b} of '{claim.table}' rank {count} rows with a Spearman correlation of {value:.3f}{turned}; said is "
        f"{' and '.join(wanted)}."
    )
    return CheckFinding("alike", "holds" if holds else "fails", text, places, claim.said, line)


def _total(rule: TotalRule, index: FigureIndex, *where: Any) -> Iterator[CheckFinding]:
    index.column(rule.table, rule.column, *where)
    formula = FORMULAS.get(rule.formula)
    if formula is None:
        raise InputError(
            f"{index.place_text(*where)}: there is no formula '{rule.formula}'."
            f"{did_you_mean(rule.formula, [*FORMULAS])}",
            expected=", ".join(FORMULAS),
        )
    if formula.rule == "closeness" and rule.reference is None:
        raise InputError(
            f"{index.place_text(*where)}: the formula '{rule.formula}' needs a 'reference', the row of the real videos."
        )
    table, line = index.table(rule.table, *where), index.line(*where)
    columns = _terms(formula, [column.name for column in table.columns if column.name != rule.column], index, where)
    reference = index.row(rule.table, rule.reference, *where) if rule.reference is not None else None
    wrong, judged, largest = [], 0, Decimal(0)
    for row in table.rows:
        numbers, printed = index.numbers[rule.table, row.name], index.numbers[rule.table, row.name][rule.column]
        made = _made(formula, columns, numbers, reference)
        if printed is None or made.value is None:
            reason = made.reason or f"No number for '{rule.column}'."
            place = (Place(rule.table, row.name),)
            yield CheckFinding("totals", "open", f"'{row.name}' in '{rule.table}': {reason}", place, rule.said, line)
            continue
        judged += 1
        off = abs(Decimal(repr(made.value)) - printed)
        largest = max(largest, off)
        allowed = (
            Decimal(str(rule.within)) if rule.within is not None else _rounding(formula, columns, numbers, reference)
        )
        allowed += _half_unit(printed, whole=True) if rule.within is None else Decimal(0)
        if off > allowed + _SLACK:
            wrong.append(
                CheckFinding(
                    "totals",
                    "fails",
                    f"'{row.name}' in '{rule.table}': {rule.formula} gives {made.value:.6g}, printed is "
                    f"{index.printed[rule.table, row.name][rule.column]}.",
                    (index.place(rule.table, row.name, rule.column),),
                    rule.said,
                    line,
                )
            )
    yield from wrong
    if judged > len(wrong):
        text = (
            f"{rule.column} of '{rule.table}' is {rule.formula} in {judged - len(wrong)} of {judged} rows"
            f"{f', at most {float(largest):.2g} off' if not wrong else ''}."
        )
        yield CheckFinding("totals", "holds", text, (Place(rule.table, None, rule.column),), rule.said, line)


def _terms(formula: Formula, columns: list[str], index: FigureIndex, where: tuple[Any, ...]) -> dict[str, str]:
    """Return term -> the column that it is.

    Raises:
        InputError: a term has no column, or two.
    """
    found = {term.name: [name for name in columns if term.is_called(name)] for term in formula.terms}
    wrong = [name for name, there in found.items() if len(there) != 1]
    if wrong:
        raise InputError(
            f"{index.place_text(*where)}: the formula '{formula.id}' needs one column for each of its terms.",
            found=f"none or several for {listed(wrong)}",
            expected=", ".join(term.name for term in formula.terms),
        )
    return {name: there[0] for name, there in found.items()}


Numbers = Mapping[str, Decimal | None]


def _made(formula: Formula, columns: Mapping[str, str], row: Numbers, reference: Numbers | None) -> Combined:
    def of(numbers: Numbers) -> dict[str, float | None]:
        return {
            name: None if numbers[column] is None else float(str(numbers[column])) for name, column in columns.items()
        }

    return combine(formula, of(row), of(reference) if reference is not None else None)


def _rounding(formula: Formula, columns: Mapping[str, str], row: Numbers, reference: Numbers | None) -> Decimal:
    """Return by how much the rounding of the printed terms can move the total."""
    allowed = Decimal(0)
    for term in formula.terms:
        value = row[columns[term.name]] or Decimal(0)
        error = _half_unit(value, whole=True)
        if formula.rule == "closeness" and reference is not None:
            real = reference[columns[term.name]] or Decimal(1)
            error = error / abs(real) + abs(value) * _half_unit(real, whole=True) / real**2
        allowed += Decimal(str(term.weight)) * error
    return allowed


def _columns(
    said: tuple[str, ...], table: str, other: str, index: FigureIndex, where: tuple[Any, ...]
) -> tuple[str, ...]:
    """Return the columns that a claim is about; each has a better side.

    Raises:
        InputError: one is not there or has none, or there is no such column.
    """
    there = {column.name for column in index.table(other, *where).columns}
    known = [c.name for c in index.table(table, *where).columns if c.better != "neither" and c.name in there]
    for name in said:
        if index.column(table, name, *where) == "neither":
            raise InputError(
                f"{index.place_text(*where)}: it is not known which side of '{name}' is better.",
                fix="Add 'better: higher' or 'better: lower' to the column.",
            )
    if not (said or known):
        raise InputError(
            f"{index.place_text(*where)}: no column has a better side.",
            fix="Add 'better: higher' or 'better: lower' to the columns.",
        )
    return said or tuple(known)


def _given(text: str) -> Decimal:
    number = number_in(text)
    assert number is not None  # noqa: S101 - the model refuses gaps
    return number


def _half_unit(number: Decimal, *, whole: bool = False) -> Decimal:
    """Return half a unit of the last printed digit; 0 for whole numbers, which are counts, unless ``whole``."""
    exponent = int(number.as_tuple().exponent)
    return Decimal(0) if exponent >= 0 and not whole else Decimal(5).scaleb(exponent - 1)


def _plain(number: Decimal) -> str:
    return f"{number:f}"
