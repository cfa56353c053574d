"""Faults over HTTP: added, listed, deleted, and refused with a word that helps."""

import json
from typing import Any

import pytest

from entrypoint.test_target.faults import MOST_FAULTS
from tests.entrypoint.test_target.running import Running

FAULT = {
    "run": "One",
    "match": {"phase": "rcpt-to", "recipient": "*@b.example"},
    "script": [{"reply": "451 4.7.1 later", "times": 2}, {"delay": 3}],
}


def added(target: Running, **changes: Any) -> Any:
    answer = target.ask("POST", "/api/v1/faults", {**FAULT, **changes})
    assert answer.status == 200, answer.text
    return answer.json


def ids(target: Running, **query: str) -> list[str]:
    return [fault["id"] for fault in target.get("/api/v1/faults", **query).json["faults"]]


def test_a_fault_is_answered_with_its_id_and_its_state(target: Running) -> None:
    fault = added(target)
    nothing = {"reply": None, "disconnect": False, "greylist": None, "dsn": None, "dsn_after": 0.0}
    assert fault == {
        "id": fault["id"],
        "run": "one",
        "match": {**FAULT["match"], "sender": None, "client": None, "login": None},
        "script": [
            {**nothing, "times": 2, "delay": 0.0, "reply": "451 4.7.1 later"},
            {**nothing, "times": 1, "delay": 3.0},
        ],
        "repeat": False,
        "hits": 0,
        "done": False,
    }
    assert target.get("/api/v1/faults").json == {"faults": [fault]}


def test_what_was_answered_can_be_given_again(target: Running) -> None:
    fault = added(target)
    again = {key: fault[key] for key in ("run", "match", "script", "repeat")}
    assert {**target.ask("POST", "/api/v1/faults", again).json, "id": fault["id"]} == fault


def test_a_run_sees_and_deletes_its_own(target: Running) -> None:
    one, two, all_ = (added(target, run=run)["id"] for run in ("one", "two", None))
    assert (ids(target), ids(target, run="ONE")) == ([one, two, all_], [one])
    assert target.ask("DELETE", "/api/v1/faults?run=two").text == "ok"
    assert ids(target) == [one, all_]
    assert target.ask("DELETE", f"/api/v1/faults/{one}").text == "ok"
    assert ids(target) == [all_]
    assert target.ask("DELETE", "/api/v1/faults").text == "ok"
    assert ids(target) == []


def test_a_run_in_the_url_is_the_faults(target: Running) -> None:
    body = {**FAULT, "run": None}
    assert target.ask("POST", "/api/v1/faults?run=Two", body).json["run"] == "two"
    assert target.ask("POST", "/api/v1/faults?run=oNE", FAULT).json["run"] == "one"
    answer = target.ask("POST", "/api/v1/faults?run=two", FAULT)
    assert (answer.status, answer.text) == (
        400,
        "run: 'one' in the body, 'two' in the URL: write one",
    )
    assert target.ask("POST", "/api/v1/faults?run=a%20b", body).status == 400
    at_helo = {**body, "match": {"phase": "helo"}}
    answer = target.ask("POST", "/api/v1/faults?run=two", at_helo)
    assert (answer.status, "leave run out" in answer.text) == (400, True)
    assert len(ids(target)) == 2


def test_what_is_not_there_cannot_be_deleted(target: Running) -> None:
    answer = target.ask("DELETE", "/api/v1/faults/f99999")
    assert (answer.status, "'f99999'" in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body: Invalid JSON"),
        (b"[]", "the body: []:"),
        (b"\xff", "the body:"),
        (b"", "the body:"),
        ({"script": [{"delay": 1}]}, "match: Field required: write what it is for"),
        ({**FAULT, "match": {"phase": "rcpt"}}, "match.phase: 'rcpt':"),
        ({**FAULT, "match": {"phase": "rcpt"}}, "write one of connect, helo,"),
        ({**FAULT, "script": []}, "script: []:"),
        ({**FAULT, "script": [{"delay": 1}, {"reply": "250 x"}]}, "script.1.reply: '250 x':"),
        ({**FAULT, "script": [{"reply": "250 x"}]}, "write a code of 400 to 599"),
        ({**FAULT, "script": [{"delay": 1e99}]}, "script.0.delay: 1e+99:"),
        ({**FAULT, "script": [{"delay": True}, {"times": 0}]}, "script.1.times: 0:"),
        ({**FAULT, "run": "a b"}, "write 1 to 255 characters without white space"),
        ({**FAULT, "run": "a" * 256}, "run: 'aaa"),
        ({**FAULT, "x": 1}, "x: 1: Extra inputs are not permitted"),
        ({**FAULT, "script": [{"delay": 1}] * 101}, "script: "),
        ({**FAULT, "script": [{"delay": 1}, {"times": 2}]}, "the last step of script says nothing"),
        ({**FAULT, "match": {"phase": "helo"}}, "leave run out"),
    ],
)
def test_an_error_says_where_what_and_the_cure(target: Running, body: Any, said: str) -> None:
    answer = target.ask("POST", "/api/v1/faults", body)
    assert answer.status == 400
    assert said in answer.text
    assert len(answer.text) < 3_000
    assert ids(target) == []


def test_all_errors_are_named_at_once(target: Running) -> None:
    body = {**FAULT, "script": [{"times": 0}, {"reply": "x"}], "run": ""}
    lines = target.ask("POST", "/api/v1/faults", body).text.split("\n")
    assert [line.partition(":")[0] for line in lines] == ["run", "script.0.times", "script.1.reply"]


def test_a_body_without_end_is_not_read(target: Running) -> None:
    answer = target.ask("POST", "/api/v1/faults", b" " * 300_000 + json.dumps(FAULT).encode())
    assert (answer.status, "200000 bytes" in answer.text) == (400, True)


def test_there_is_an_end_to_them(target: Running) -> None:
    body = json.dumps(FAULT).encode()
    for _ in range(MOST_FAULTS):
        assert target.ask("POST", "/api/v1/faults", body).status == 200
    answer = target.ask("POST", "/api/v1/faults", body)
    assert (answer.status, answer.text) == (400, "there are 1000 faults already; delete some")
    target.ask("DELETE", "/api/v1/faults?run=one")
    assert target.ask("POST", "/api/v1/faults", body).status == 200
