"""Secrets are hidden by their names, however deep, and where their values turn up in an error."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from afterwards.ids import new_id
from afterwards.redaction import HIDDEN, Redaction
from afterwards.tasks import Failure, LogLine, Progress, State, Task, Try, TryEnding

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def task(arguments: object, **fields: Any) -> Task:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    basis = Task(
        id=new_id(),
        name="main:send",
        arguments=text,
        state=State.DONE,
        queue="default",
        priority=5,
        due=NOW,
        added=NOW,
    )
    return replace(basis, **fields)


def failed(arguments: object, message: str, traceback: str = "") -> Task:
    return task(arguments, error=Failure(kind="ValueError", message=message, traceback=traceback))


@pytest.mark.parametrize(
    "name", ["password", "PASSWORD", "userPassword", "X-API-Key", "api_key", "Authorization", "refresh_token", "pwd"]
)
def test_what_stands_under_such_a_name_is_hidden_however_deep(name: str):
    arguments = {name: "hunter2!", "user": {"email": "ada@example.com", name: {"old": "hunter2!", "new": ["hunter3!"]}}}
    shown = json.loads(Redaction().task(task(arguments)).arguments)
    assert shown[name] == HIDDEN
    assert shown["user"] == {"email": "ada@example.com", name: {"old": HIDDEN, "new": [HIDDEN]}}


def test_nothing_else_is_hidden_and_numbers_stay_as_they_are():
    arguments = {"author": "Ada", "count": 2**63 + 1, "price": 0.1, "none": None, "password": None}
    assert json.loads(Redaction().task(task(arguments)).arguments) == arguments


def test_names_may_be_added():
    redaction = Redaction(["IBAN", "date-of-birth"])
    shown = json.loads(redaction.task(task({"iban": "DE02", "dateOfBirth": "1815-12-10", "name": "Ada"})).arguments)
    assert shown == {"iban": HIDDEN, "dateOfBirth": HIDDEN, "name": "Ada"}


@pytest.mark.parametrize("names", ["iban", [""], ["--"], [None]])
def test_what_is_no_list_of_names_is_refused(names):
    with pytest.raises(ValueError, match="redact takes"):
        Redaction(names)


def test_a_result_and_progress_and_logs_are_redacted_too():
    line = LogLine(at=datetime.now(UTC), level="INFO", logger="mine", text="password=swordfish, user=ada")
    progress = Progress(done=1, of=2, say="at Bearer abc.def-ghi")
    given = task({}, returned='{"token": "abcdef"}', result={"token": "abcdef"}, progress=progress, logs=(line,))
    shown = Redaction().task(given)
    assert (json.loads(shown.returned or ""), shown.result) == ({"token": HIDDEN}, None)
    assert shown.progress == Progress(done=1, of=2, say=f"at Bearer {HIDDEN}")
    assert [line.text for line in shown.logs] == [f"password={HIDDEN}, user=ada"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("cannot log in with hunter2!", f"cannot log in with {HIDDEN}"),
        ("login(password='swordfish', user='ada')", f"login(password={HIDDEN}, user='ada')"),
        ('{"api_key": "swordfish", "a": 1}', f'{{"api_key": {HIDDEN}, "a": 1}}'),
        ("GET /?access_token=swordfish&a=1", f"GET /?access_token={HIDDEN}"),
        ("postgresql://ada:swordfish@db/shop is away", f"postgresql://ada:{HIDDEN}@db/shop is away"),
        ("sent Bearer abc.def-ghi", f"sent Bearer {HIDDEN}"),
        ("sent Authorization: Bearer abc.def-ghi", f"sent Authorization: {HIDDEN} {HIDDEN}"),
        ("sent authorization=Basic YWRhOmxvdmU=", f"sent authorization={HIDDEN} {HIDDEN}"),
        ("password='two\nlines', user='ada'", f"password={HIDDEN}, user='ada'"),
        (r"password='it\'s \"mine\"', user='ada'", f"password={HIDDEN}, user='ada'"),
        ('password="never\nclosed, user=ada', f"password={HIDDEN}"),
        ("the author is Ada", "the author is Ada"),
    ],
)
def test_errors_are_redacted_by_value_and_by_name(message: str, shown: str):
    redacted = Redaction().task(failed({"password": "hunter2!"}, message, f"Traceback\n  {message}")).error
    assert redacted is not None
    assert (redacted.message, redacted.traceback) == (shown, f"Traceback\n  {shown}")


def test_a_literal_in_a_line_of_source_hides_no_frame_after_it():
    frames = '  File "/app/a.py", line 3, in get\n    "https://a/?token=" + token\n'
    frames += '    ~~~^~~\n  File "/app/b.py", line 4, in ask\n    raise ValueError\nValueError: away'
    redacted = Redaction().task(failed({}, "away", f"Traceback (most recent call last):\n{frames}")).error
    assert redacted is not None
    assert '  File "/app/b.py", line 4, in ask\n    raise ValueError\nValueError: away' in redacted.traceback


def test_a_flag_under_such_a_name_hides_no_such_word_elsewhere():
    redacted = Redaction().task(failed({"send_token": True, "password": None}, "got True, not true or null")).error
    assert str(redacted) == "got True, not true or null"


def test_a_secret_is_found_in_an_error_as_a_service_writes_it():
    redacted = Redaction().task(failed({"secret": 'pä"ss'}, r'refused: {"pass": "pä\"ss"}')).error
    assert str(redacted) == f'refused: {{"pass": "{HIDDEN}"}}'


def test_a_secret_is_found_in_an_error_as_python_writes_it():
    secret = 'line\n"quoted"\\'
    redacted = Redaction().task(failed({"secret": secret}, f"bad value {secret!r}")).error
    assert redacted is not None
    assert "quoted" not in redacted.message


def test_what_cannot_be_read_is_not_shown():
    assert "hunter2" not in Redaction().task(task('{"password": "hunter2')).arguments
    deep = "[" * 100_000 + '"hunter2"'
    assert "hunter2" not in Redaction().task(task(deep)).arguments


def test_a_long_hostile_text_takes_no_long_time():
    began = time.process_time()
    Redaction().task(failed({}, "password" * 5_000, "token=" * 5_000 + "a" * 100_000))
    for evil in ("token=", "token='\\' ", 'token="\n', "Bearer ", "://a:", "token: '\\"):
        Redaction().task(failed({}, evil * 3_000, evil * 1_500 + MIDDLE + evil * 1_500))
    assert time.process_time() - began < 2


def tried(arguments: object, message: str) -> Task:
    error = Failure(kind="ValueError", message=message)
    one = Try(number=1, run=1, attempt=1, started=NOW, ended=NOW, ending=TryEnding.FAILED, error=error)
    return task(arguments, tries=(replace(one, error=None, ending=TryEnding.AGAIN), one))


def shown_try(arguments: object, message: str) -> str:
    *_, last = Redaction().task(tried(arguments, message)).tries
    return str(last.error)


def test_what_earlier_tries_failed_with_is_searched_too():
    assert shown_try({"password": "hunter2!"}, "hunter2! was wrong") == f"{HIDDEN} was wrong"
    assert (
        shown_try({}, "cannot open postgres://ada:hunter2!@db/shop") == f"cannot open postgres://ada:{HIDDEN}@db/shop"
    )


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("no: hunter2!-and-mo…", f"no: {HIDDEN}…"),
        ("no: h…", f"no: {HIDDEN}…"),
        ("no: hunter2!-and-more…", f"no: {HIDDEN}…"),
        ("no: password='my long pass…", f"no: password={HIDDEN}"),
        ('no: "api_key": "my long k…', f'no: "api_key": {HIDDEN}'),
        ("postgres://ada:hunt…", f"postgres://ada:{HIDDEN}…"),
        ("Authorization Bearer ab…", f"Authorization Bearer {HIDDEN}…"),
        ("no: password='my long\nsecond line…", f"no: password={HIDDEN}"),
        ('no: "api_key": "my long\n\nk…', f'no: "api_key": {HIDDEN}'),
        ("it is what it is…", "it is what it is…"),
    ],
)
def test_a_message_that_was_cut_shows_no_half_of_a_secret(message: str, shown: str):
    assert shown_try({"password": "hunter2!-and-more", "pin": 1}, message) == shown


def test_a_secret_of_several_lines_is_hidden_to_its_end_when_its_message_was_cut():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    assert shown_try({"private_key": key}, f"cannot read {key[:40]}…") == f"cannot read {HIDDEN}…"
    assert shown_try({}, f"cannot read private_key='{key[:40]}…") == f"cannot read private_key={HIDDEN}"


MIDDLE = "\n… (cut)\n"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"no: hunter2!-an{MIDDLE}nd-more, sorry", f"no: {HIDDEN}{MIDDLE}{HIDDEN}, sorry"),
        (f"no: password='my long{MIDDLE}pass word', sorry", f"no: password={HIDDEN}, sorry"),
        (f"no: password='my long{MIDDLE}pass word", f"no: password={HIDDEN}"),
        (f"no: token=abc{MIDDLE}def, sorry", f"no: token={HIDDEN}{MIDDLE}{HIDDEN}, sorry"),
        (f"Bearer abc{MIDDLE}def, sorry", f"Bearer {HIDDEN}{MIDDLE}{HIDDEN}, sorry"),
        (f"postgres://ada:hunt{MIDDLE}er@db/shop", f"postgres://ada:{HIDDEN}{MIDDLE}{HIDDEN}@db/shop"),
        (f"it went{MIDDLE}wrong", f"it went{MIDDLE}wrong"),
    ],
)
def test_a_message_whose_middle_was_cut_out_shows_no_half_of_a_secret(message: str, shown: str):
    arguments = {"password": "hunter2!-and-more", "pin": 1}
    line = LogLine(at=NOW, level="INFO", logger="mine", text=message)
    redacted = Redaction().task(replace(failed(arguments, message, message), logs=(line,)))
    assert redacted.error is not None
    assert [redacted.error.message, redacted.error.traceback, redacted.logs[0].text] == [shown] * 3


def test_what_a_run_says_of_itself_may_be_cut_too():
    said = Progress(done=1, of=2, say="logging in as hunter2!-an…")
    progress = Redaction().task(task({"password": "hunter2!-and-more"}, progress=said)).progress
    assert progress is not None
    assert progress.say == f"logging in as {HIDDEN}…"


def test_a_cut_message_is_searched_in_no_time():
    secrets = {f"password_{number}": "a" * 100_000 + "b" for number in range(50)}
    begun = time.perf_counter()
    assert shown_try(secrets, "a" * 499 + "…") == f"{HIDDEN}…"
    assert time.perf_counter() - begun < 2
