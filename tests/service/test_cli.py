"""The command line: every command explains itself, answers JSON, and tells errors in one sentence with its status."""

import json
import os

import pytest
from click.testing import CliRunner

from service.cli import main
from tests.service.processes import noces
from tests.service.senders import SAMPLES


def commands(group=main, path=()):
    """Every command with its path of names."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())


@pytest.fixture
def run(tmp_path):
    """Runs a command on a database in the test's folder, in here: (status, what was said, what went wrong)."""
    unset = {name: None for name in os.environ if name.startswith("NOCES_")}

    def ran(*arguments, **settings):
        settings = {"database": f"sqlite:///{tmp_path}/noces.db", "organisation": "acme", **settings}
        environment = {f"NOCES_{name.upper()}": str(value) for name, value in settings.items()}
        told = CliRunner().invoke(
            main, [str(each) for each in arguments], env={**unset, **environment}, catch_exceptions=False
        )
        return told.exit_code, told.stdout, told.stderr

    return ran


@pytest.fixture
def process(tmp_path):
    """Runs a command as its own process: (status, what was said, what went wrong)."""

    def ran(*arguments, **settings):
        told = noces(
            *arguments,
            cwd=tmp_path,
            **{"database": f"sqlite:///{tmp_path}/noces.db", "organisation": "acme", **settings},
        )
        return told.returncode, told.stdout, told.stderr

    return ran


def one_sentence(told, *words):
    """Check that a command failed with one sentence on standard error, and nothing else."""
    status, said, error = told
    assert (status, said) == (1, ""), told
    assert error.count("\n") == 1, error
    assert "Traceback" not in error
    for word in words:
        assert word in error, error


def test_the_commands_of_the_contract_are_there():
    names = {" ".join(path) for path in COMMANDS}
    wanted = {
        "serve",
        "keys create",
        "sources create",
        "import",
        "rebuild",
        "doctor",
        "openapi",
        "diagram",
        "connectors test",
    }
    assert wanted <= names


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_takes_the_common_options(path):
    told = CliRunner().invoke(main, [*path, "--help"])
    assert told.exit_code == 0
    for option in ("--json", "--database", "--help"):
        assert option in told.output
    assert COMMANDS[path].help


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_wrong_option_is_a_usage_error(path):
    told = CliRunner().invoke(main, [*path, "--no-such-option"])
    assert told.exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "create"],
        ["keys", "create", "--scopes", "read", "--side", "both"],
        ["import"],
        ["import", "no-such-file"],
        ["serve", "--port", "high"],
        ["nothing"],
        ["diagram", "--format", "png"],
    ],
    ids=" ".join,
)
def test_a_missing_or_wrong_argument_is_a_usage_error(arguments):
    assert CliRunner().invoke(main, arguments).exit_code == 2


def test_the_version_is_told():
    told = CliRunner().invoke(main, ["--version"])
    assert (told.exit_code, "version" in told.output) == (0, True)


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["keys", "create", "--scopes", "fly"], ["fly", "read"]),
        (["keys", "create", "--scopes", ""], ["transitions:override"]),
        (["keys", "create", "--scopes", "read", "--expires", "soon"], ["soon", "90d"]),
        (["keys", "revoke", "key_none"], ["key_none"]),
        (["sources", "create", "--connector", "fax", "--name", "x"], ["fax"]),
        (["sources", "create", "--connector", "stripe", "--name", "x", "--setting", "nope"], ["nope"]),
        (["sources", "create", "--connector", "stripe", "--name", "x", "--setting", "nope=1"], ["nope"]),
        (["keys", "list", "--database", "mysql://x"], ["mysql://x", "sqlite:///"]),
        (["keys", "list", "--database", "sqlite:///"], ["sqlite:///"]),
        (["doctor", "--database", "oracle"], ["oracle"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_told_in_one_sentence(run, arguments, words):
    one_sentence(run(*arguments), *words)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"port": "high"}, "NOCES_"),
        ({"demo": "perhaps"}, "NOCES_"),
        ({"master_key_file": "/no/such/file"}, "MASTER_KEY_FILE"),
        ({"connectors": "/no/such/folder"}, "/no/such/folder"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(run, settings, word):
    one_sentence(run("keys", "list", **settings), word)


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    one_sentence(run("keys", "list", "--database", f"sqlite:///{tmp_path}/file/noces.db"), "file")


def test_an_import_to_a_server_that_does_not_answer_is_told_in_one_sentence(run, tmp_path):
    (tmp_path / "facts.ndjson").write_text("{}\n")
    one_sentence(run("import", tmp_path / "facts.ndjson", "--url", "http://127.0.0.1:1", "--key", "x"), "127.0.0.1:1")


def test_a_connector_file_that_is_wrong_is_explained(run, tmp_path):
    (tmp_path / "odd.toml").write_text("name = [")
    (tmp_path / "body.json").write_text("{}")
    one_sentence(run("connectors", "test", tmp_path / "odd.toml", tmp_path / "body.json"), "odd.toml")
    one_sentence(run("connectors", "test", tmp_path / "none.toml", tmp_path / "body.json"), "none.toml")


# --- what commands do ----------------------------------------------------------------------------------------------


def test_tokens_are_created_listed_and_revoked(run):
    status, said, error = run("log", "token", "create", "--name", "mirror", "--expires", "90d", "--json")
    assert (status, error) == (0, "")
    made = json.loads(said)
    (listed,) = json.loads(run("log", "token", "list", "--json")[1])
    assert (listed["id"], listed["name"], listed["revoked_at"]) == (made["id"], "mirror", None)
    assert run("log", "token", "list")[1] == f"{made['id']}  mirror\n"
    assert run("log", "token", "revoke", made["id"])[:2] == (0, f"{made['id']} is revoked.\n")
    assert run("log", "token", "list")[1] == f"{made['id']}  mirror  revoked\n"
    one_sentence(run("log", "token", "revoke", made["id"]), "no token")


def test_keys_are_created_listed_and_revoked(run):
    status, said, error = run(
        "keys", "create", "--scopes", "read,write", "--name", "ci", "--side", "partner", "--expires", "90d", "--json"
    )
    assert (status, error) == (0, "")
    made = json.loads(said)
    assert set(made) == {"id", "key"}
    (listed,) = json.loads(run("keys", "list", "--json")[1])
    assert (listed["id"], listed["scopes"], listed["side"], listed["name"]) == (
        made["id"],
        ["read", "write"],
        "partner",
        "ci",
    )
    assert listed["expires_at"]
    status, said, _ = run("keys", "list")
    assert (status, made["id"] in said, made["key"] in said) == (0, True, False)
    assert json.loads(run("keys", "revoke", made["id"], "--json")[1]) == {"id": made["id"], "revoked": True}
    one_sentence(run("keys", "revoke", made["id"]), made["id"])


def test_a_source_is_created_with_secrets_and_settings(run):
    status, said, error = run(
        "sources", "create", "--connector", "stripe", "--name", "Invoices", "--secret", "a", "--secret", "b", "--setting",
        "live_only=true", "--setting", "notice_side=partner", "--json", public_base_url="https://noces.example",
    )  # fmt: skip
    assert (status, error) == (0, "")
    made = json.loads(said)
    assert made["url"] == f"https://noces.example/hooks/{made['id']}"


def test_a_command_of_its_own_process_says_the_same(process):
    status, said, error = process("keys", "create", "--scopes", "read", "--json")
    assert (status, error, set(json.loads(said))) == (0, "", {"id", "key"})
    assert len(json.loads(process("keys", "list", "--json")[1])) == 1
    one_sentence(process("keys", "revoke", "key_none"), "key_none")
    one_sentence(process("serve", port="high"), "NOCES_")


def test_organisations_are_kept_apart(run):
    run("keys", "create", "--scopes", "read", "--organisation", "one")
    assert json.loads(run("keys", "list", "--organisation", "two", "--json")[1]) == []
    assert len(json.loads(run("keys", "list", "--organisation", "one", "--json")[1])) == 1


def test_a_file_is_imported_and_its_refused_lines_are_told(server, run, tmp_path):
    with server.client() as http:
        opened = http.post("/v1/partnerships", json={"client": "A", "partner": "B"}).json()["id"]
    good = {"partnership": opened, "type": "incident.reopened", "incident": "i"}
    (tmp_path / "facts.ndjson").write_text("\n".join([json.dumps(good), "{bad", json.dumps(good)]))
    for ways in ((), ("--url", server.url, "--key", server.key)):
        status, said, error = run("import", tmp_path / "facts.ndjson", "--json", *ways)
        summary = json.loads(said)
        assert (status, summary["accepted"], summary["refused"]) == (1, 2, 1)
        assert error.startswith("line 2: bad_json: ")
    status, said, error = run("import", tmp_path / "facts.ndjson", "--prefix", "backfill")
    assert (status, said) == (1, "3 lines: 2 accepted, 0 repeated, 1 refused.\n")
    status, said, error = run("import", tmp_path / "facts.ndjson", "--prefix", "backfill")
    assert (status, said) == (1, "3 lines: 0 accepted, 2 repeated, 1 refused.\n")
    (tmp_path / "facts.ndjson").write_text(json.dumps(good) + "\n")
    assert run("import", tmp_path / "facts.ndjson", "--prefix", "backfill")[0] == 0
    server.terminate()
    assert run("import", tmp_path / "facts.ndjson")[0] == 0


def test_the_doctor_finds_what_is_unsafe(run, tmp_path):
    run("keys", "create", "--scopes", "read")
    status, said, error = run("doctor", "--json")
    findings = {each["name"]: each["level"] for each in json.loads(said)}
    assert (status, error, findings["lock"], findings["keys"]) == (0, "", "ok", "warning")
    (tmp_path / "master.key").chmod(0o644)
    status, said, _ = run("doctor", "--json", public_base_url="http://noces.example")
    findings = {each["name"]: each["level"] for each in json.loads(said)}
    assert (status, findings["master_key"], findings["public_base_url"]) == (1, "unsafe", "unsafe")


def test_the_doctor_looks_beside_a_live_server(standing, run):
    status, said, _ = run("doctor", "--json", "--database", f"sqlite:///{standing.path}")
    lock = next(each for each in json.loads(said) if each["name"] == "lock")
    assert (status, str(standing.process.pid) in lock["detail"]) == (0, True)


def test_the_machine_and_the_documents_are_printed(run):
    for arguments, start in (
        (("diagram",), "stateDiagram"), (("diagram", "--format", "svg"), "<svg"), (("openapi",), "{"),
    ):  # fmt: skip
        status, said, error = run(*arguments)
        assert (status, error) == (0, "")
        assert start in said
    assert json.loads(run("openapi")[1])["openapi"].startswith("3.")
    assert json.loads(run("diagram", "--json")[1])["drawing"]


def test_connectors_are_listed_and_tried_out(run):
    assert {"hubspot", "pagerduty", "stripe"} <= set(json.loads(run("connectors", "list", "--json")[1]))
    status, said, error = run(
        "connectors", "test", "hubspot", str(SAMPLES / "hubspot" / "deal.stage-won.json"), "--json"
    )
    assert (status, error) == (0, "")
    (item,) = json.loads(said)["items"]
    assert (item["outcome"], item["item"]["facts"][0]["type"]) == ("facts", "contract.signed")


def test_a_policy_is_shown_as_toml_and_the_same_form_is_adopted(run, tmp_path):
    status, text, _ = run("policy", "show")
    assert status == 0
    mended = tmp_path / "policy.toml"
    mended.write_text(text.replace("telescoped_days = 30", "telescoped_days = 45"))
    assert run("policy", "adopt", mended) == (0, "Policy 2 is in force.\n", "")
    assert "telescoped_days = 45" in run("policy", "show")[1]
    assert run("policy", "show", 1)[1] == text
    assert json.loads(run("policy", "show", 2, "--json")[1])["policy"]["telescoped_days"] == 45


@pytest.mark.parametrize(
    ("text", "words"),
    [("telescoped_days = -1", "telescoped_days"), ("= 3", "cannot be read"), ("gaards = {}", "gaards")],
)
def test_a_policy_that_makes_no_sense_is_not_adopted(run, tmp_path, text, words):
    wrong = tmp_path / "policy.toml"
    wrong.write_text(text)
    one_sentence(run("policy", "adopt", wrong), str(wrong), words)
    one_sentence(run("policy", "show", 2), "version")


def test_rebuild_tells_whether_the_tables_were_equal(run):
    run("keys", "create", "--scopes", "read")
    status, said, error = run("rebuild", "--json")
    assert (status, error, json.loads(said)) == (0, "", {"events": 2, "equal": True, "different": []})


def test_a_database_in_another_folder_is_made_with_its_folder(run, tmp_path):
    path = tmp_path / "a" / "b" / "noces.db"
    assert run("keys", "create", "--scopes", "read", "--database", f"sqlite:///{path}")[0] == 0
    assert path.exists()


def test_a_connector_is_shown_with_its_proofs_settings_links_and_samples(run):
    status, said, _ = run("connectors", "show", "pagerduty", "--json")
    told = json.loads(said)
    assert (status, told["proofs"][0]) == (
        0,
        {"name": "v1", "place": "the header X-PagerDuty-Signature", "trust": "signed"},
    )
    assert "incident.triggered-p1" in told["samples"]
    assert "priorities" in told["settings"]
    one_sentence(run("connectors", "show", "pagerdooty"), "pagerdooty")


@pytest.mark.parametrize(("connector", "event"), [("pagerduty", "incident.triggered-p1"), ("hubspot", "batch"), ("stripe", "invoice.paid")])  # fmt: skip
def test_a_signed_sample_reaches_a_running_server(server, process, run, connector, event):
    made = json.loads(process("sources", "create", "--connector", connector, "--name", "x", "--secret", "s", "--json", database=f"sqlite:///{server.path}")[1])  # fmt: skip
    first, again = (run("trigger", connector, event, "--url", made["url"], "--secret", "s", "--json") for _ in range(2))
    assert (first[0], json.loads(first[1])["status"]) == (0, 202)
    assert (again[0], json.loads(again[1])["status"]) == (0, 200)
    status, said, _ = run("trigger", connector, event, "--url", made["url"], "--secret", "other", "--json")
    assert (status, json.loads(said)["status"]) == (1, 401)
    one_sentence(run("trigger", connector, "nothing", "--url", made["url"], "--secret", "s"), "nothing", event)
