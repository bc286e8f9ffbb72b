"""A table of measurements by others: read as a whole, or refused with the row."""

from __future__ import annotations

import pytest

from evalkit.errors import InputError
from evalkit.speed.model import SampleSpeed
from evalkit.speed.table import read_measurement, read_speed_table

HEAD = "team,sample,seconds,frames,hardware,who"


def read(*lines: str, head: str = HEAD):
    return read_speed_table("\n".join((head, *lines)).encode(), "speed.csv")


def test_rows_of_a_sample_are_its_runs() -> None:
    lumen, atlas = read(
        "lumen,s1,4,100,A 100,olga", "lumen,s1,10,100,A  100,olga", "lumen,s1,5,100,A 100,olga", "atlas,s1,2,50,B,olga"
    )
    assert (lumen.team, lumen.run, lumen.who, lumen.report.hardware, lumen.report.timed) == (
        "lumen",
        None,
        "olga",
        "A 100",
        "call",
    )
    assert lumen.report.samples == {"s1": SampleSpeed("s1", 5.0, 100, None, None, 5.0, None, 3)}
    assert atlas.report.samples["s1"].seconds == 2.0


def test_all_columns_semicolons_and_a_byte_order_mark() -> None:
    head = f"{HEAD},run,clip_seconds,time_to_first_frame,end_to_end_seconds,peak_bytes,timed".replace(",", ";")
    (one,) = read_speed_table(
        f"\ufeff{head}\r\nlumen;s1;4;100;A, 16 cores;olga;main;4;0.5;6;1e9;frames\r\n".encode(), "x"
    )
    assert (one.run, one.report.timed, one.report.hardware) == ("main", "frames", "A, 16 cores")
    assert one.report.samples == {"s1": SampleSpeed("s1", 4.0, 100, 4.0, 0.5, 6.0, 10**9, 1)}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), "has no row"),
        (("lumen,s1,4,100,A",), "row 2: a wrong number of cells"),
        (("", "lumen,s1,,100,A,olga"), "row 3: 'seconds' can't be used. Found nothing"),
        (("lumen,s1,four,100,A,olga",), "'seconds' can't be used. Found four"),
        (("lumen,s1,nan,100,A,olga",), "'seconds' can't be used"),
        (("lumen,s1,inf,100,A,olga",), "'seconds' can't be used"),
        (("lumen,s1,1_0,100,A,olga",), "'seconds' can't be used"),
        (("lumen,s1,1e999,100,A,olga",), "'seconds' can't be used"),
        ((f"lumen,s1,{'9' * 5000},100,A,olga",), "'seconds' can't be used"),
        (("lumen,s1,0,100,A,olga",), "row 2: an impossible number. Found seconds 0"),
        (("lumen,s1,-4,100,A,olga",), "seconds -4"),
        (("lumen,s1,4,1.5,A,olga",), "'frames' can't be used"),
        (("lumen,s1,4,1e300,A,olga",), "frames 1e+300"),
        ((",s1,4,100,A,olga",), "'team' can't be used"),
        ((f"{'l' * 101},s1,4,100,A,olga",), "1 to 100 characters"),
        (("lumen,,4,100,A,olga",), "'sample' can't be used"),
        (("lumen,s1,4,100,,olga",), "'hardware' can't be used"),
        (("lumen,s1,4,100,A,",), "'who' can't be used"),
        (("lumen,s1,4,100,A,olga", "lumen,s2,4,100,B,olga"), "row 3: 'hardware' can't be used. Found B; expected 'A'"),
        (('lumen,"s1"x,4,100,A,olga',), "no CSV"),
        (("lumen,s\x001,4,100,A,olga",), "NUL"),
        (("lumen,s1\x1b[31m,four,100,A,olga",), "row 2"),
    ],
)
def test_what_can_not_be_is_refused_with_the_row(lines: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError) as raised:
        read(*lines)
    assert told in str(raised.value)
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("team,sample,second,frames,hardware,who", "no column 'seconds'. Did you mean 'second'?"),
        (f"{HEAD},team", "the column 'team' twice"),
        (f"{HEAD},fps", "an unknown column 'fps'"),
        ("", "no column 'team'"),
    ],
)
def test_a_wrong_head_is_refused(head: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        read("a,b,1,2,c,d,e", head=head)
    assert told in str(raised.value)


def test_other_encodings_are_refused() -> None:
    with pytest.raises(InputError, match="no UTF-8 text"):
        read_speed_table(HEAD.encode("utf-16"), "speed.csv")


def test_a_measurement_without_frames_is_refused() -> None:
    data = b'{"schema":1,"timed":"call","machine":{"processor":"A"},"samples":[{"sample":"s1","generation_seconds":1}]}'
    with pytest.raises(InputError, match="lacks frames or lengths"):
        read_measurement(data, "x.json", "lumen", None, "olga")
