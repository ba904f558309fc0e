"""What an operator is told about a configuration file that is wrong or doubtful."""

from pathlib import Path

import pytest

from configuration_files import (
    cases,
    deployment,
    faults,
    organization,
    parse,
)
from holdfast import config_file
from holdfast.config_file import ConfigurationError

WRONG = cases("wrong.txt")
DOUBTFUL = cases("doubtful.txt")


class TestUnusable:
    @pytest.mark.parametrize(
        ("text", "line", "field", "words"), WRONG.values(), ids=WRONG.keys()
    )
    def test_a_fault_says_where_it_is_and_what_to_do(self, text, line, field, words):
        """One fault, with its line, its field and words that help."""
        (fault,) = faults(text)

        assert (fault.line, fault.field) == (line, field)
        assert words in str(fault)
        assert fault.problem
        assert fault.remedy

    @pytest.mark.parametrize(
        ("text", "words"),
        [("etcd:\n\tprefix: /a\n", "tab"), ("listen: a\n# \x07", "not allow")],
    )
    def test_a_character_that_does_not_show_is_told_by_its_line(self, text, words):
        """A tab where spaces belong, a control character."""
        (fault,) = faults(text)

        assert (fault.line, fault.field) == (2, "(document)")
        assert words in fault.problem

    def test_a_fault_is_one_line(self):
        """File, line, field, problem and remedy, whatever the file is called."""
        with pytest.raises(ConfigurationError) as raised:
            config_file.parse('"lis\\nten": 1', Path("a\nb.yaml"), environ={})

        (line,) = str(raised.value).splitlines()
        assert line.startswith(r"a\nb.yaml:1: lis\nten: is no known field; did you")

    def test_all_faults_are_told_at_once(self):
        """By line, whether they concern one field or several together."""
        text = (
            organization("projects: [{id: p}, {id: p}]", "aliases: [{name: a}]")
            + "\nlisten: 8080\ncatalog: all\ndefaults: {max_attempts: 0, nope: 1}\n"
        )

        found = faults(text)

        assert [(fault.line, fault.field) for fault in found] == [
            (3, "organizations[0].projects[1].id"),
            (4, "organizations[0].aliases[0].fallback_models"),
            (5, "listen"),
            (6, "catalog"),
            (7, "defaults.max_attempts"),
            (7, "defaults.nope"),
        ]

    @pytest.mark.parametrize(
        ("provider", "field"),
        [
            ("7", "providers.lab-a"),
            (
                "{dialect: morse, base_uri: 'https://a.example'}",
                "providers.lab-a.dialect",
            ),
        ],
    )
    def test_a_fault_does_not_bring_others_with_it(self, provider, field):
        """A provider whose fields are wrong is still declared."""
        text = f"providers: {{lab-a: {provider}}}\n" + deployment()

        (fault,) = faults(text, known_providers=["openai"])

        assert fault.field == field

    @pytest.mark.parametrize(
        "text",
        [
            "providers: {p: {credential: !s3cret-part!x y}}",
            "providers: {p: {credential: *s3cret-part}}",
            "providers: {p: {credential: {s3cret-part}}}",
            "providers: {p: {base_uri: 'https://user:s3cret-part@host'}}",
        ],
    )
    def test_a_secret_out_of_place_is_not_repeated(self, text):
        """Not by what YAML makes of it, nor as a name."""
        (fault,) = faults(text)

        assert "s3cret" not in str(fault)

    @pytest.mark.parametrize("name", ["nowhere.yaml", "."])
    def test_a_file_that_cannot_be_read_is_a_fault(self, name, tmp_path):
        """Not there, or a folder."""
        with pytest.raises(ConfigurationError) as raised:
            config_file.load(tmp_path / name)

        assert "cannot be read" in str(raised.value)

    def test_a_file_that_is_not_utf_8_is_a_fault_of_its_line(self, tmp_path):
        """The line is that of the first wrong byte."""
        path = tmp_path / "gateway.yaml"
        path.write_bytes(b"listen: a:1\n# caf\xe9\n")

        with pytest.raises(ConfigurationError) as raised:
            config_file.load(path)

        (fault,) = raised.value.faults
        assert (fault.line, fault.problem) == (2, "is not UTF-8")

    def test_a_secret_file_that_is_no_text_is_no_secret(self, tmp_path):
        """It is a fault like a file that is not there."""
        path = tmp_path / "gateway.yaml"
        path.write_text(
            organization("projects: [{id: p, keys: [{id: k, key: {file: key}}]}]")
        )
        (tmp_path / "key").write_bytes(b"\xff\xfe\x00")

        with pytest.raises(ConfigurationError, match="holds no key"):
            config_file.load(path)

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 5000,
            "a: &a [x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{after}: &{after} [{', '.join([f'*{before}'] * 8)}]\n"
                for before, after in zip("abcdefg", "bcdefgh", strict=True)
            ),
        ],
        ids=["deep", "multiplying"],
    )
    def test_a_file_made_to_exhaust_is_refused(self, text):
        """Nesting without end, and anchors that multiply each other."""
        (fault,) = faults(text)

        assert fault.field == "(document)"


class TestAgainstTheCatalog:
    def test_a_provider_nobody_knows_is_a_fault(self):
        """With the one that was meant, if one is near."""
        (fault,) = faults(
            deployment().replace("lab-a", "antropic"), known_providers=["anthropic"]
        )

        assert (fault.line, fault.field) == (4, "models[0].deployments[0].provider")
        assert "did you mean anthropic?" in fault.remedy

    def test_a_provider_that_nothing_locates_is_a_fault_where_it_is_used(self):
        """Where it is not used it is a warning."""
        declared = "providers:\n  lab-a: {base_uri: 'https://a.example'}\n"

        loaded = parse(declared, known_providers=["openai"])
        (fault,) = faults(declared + deployment(), known_providers=["openai"])

        assert [warning.field for warning in loaded.warnings] == ["providers.lab-a"]
        assert (fault.line, fault.field) == (2, "providers.lab-a")
        assert "lacks dialect" in fault.problem

    def test_a_provider_of_the_catalog_needs_no_more(self):
        """Only what it overrides."""
        loaded = parse(
            deployment().replace("lab-a", "openai"), known_providers=["openai"]
        )

        assert loaded.warnings == ()

    def test_an_alias_may_not_hide_a_model_of_the_catalog(self):
        """Nor a deployment of it; without the catalog its names are free."""
        text = organization("aliases: [{name: gpt, fallback_models: [gpt-2]}]")

        (fault,) = faults(text, known_models=["gpt", "gpt-2"])

        assert fault.field == "organizations[0].aliases[0].name"
        assert parse(
            "catalog: none\n"
            + text.replace("gpt-2", "c")
            + "\n"
            + "    custom_models: [{name: c, identifier: a/b, api_key: k}]",
            known_models=["gpt"],
        )

    def test_an_alias_of_what_the_catalog_does_not_have_is_a_fault(self):
        """Members may be the catalog's, the file's or custom models."""
        text = (
            deployment()
            + "\n"
            + organization(
                "custom_models: [{name: c, identifier: a/b, api_key: k}]",
                "aliases: [{name: x, fallback_models: [c, m, lab-a/m, gpt, gtp]}]",
            )
        )

        (fault,) = faults(text, known_models=["gpt"])

        assert fault.field == "organizations[0].aliases[0].fallback_models[4]"
        assert "did you mean gpt?" in fault.remedy

    def test_a_custom_model_of_a_provider_nobody_knows_needs_an_endpoint(self):
        """One of the catalog's or the file's providers does not."""
        text = organization("custom_models: [{name: c, identifier: lab/b, api_key: k}]")

        (fault,) = faults(text, known_providers=["openai"])

        assert "add extra: {api_base: URI}" in fault.remedy
        assert parse(text, known_providers=["lab"])
        located = parse(
            text
            + "\nproviders: {lab: {dialect: anthropic-messages, base_uri: 'https://l.example'}}",
            known_providers=["openai"],
        )
        (place,) = located.settings.organizations[0].custom_models[0].model.deployments
        assert (place.dialect, place.base_uri) == (
            "anthropic-messages",
            "https://l.example",
        )


class TestWarnings:
    @pytest.mark.parametrize(
        ("text", "line", "field", "words"), DOUBTFUL.values(), ids=DOUBTFUL.keys()
    )
    def test_a_warning_says_where_it_is_and_why(self, text, line, field, words):
        """One warning, and the file loads."""
        (warning,) = parse(text).warnings

        assert (warning.line, warning.field) == (line, field)
        assert words in str(warning)

    def test_a_policy_about_a_provider_nobody_knows_is_doubtful(self):
        """A denial that is misspelt denies nothing."""
        text = organization("policy: {providers: {deny: [antropic]}}")

        (warning,) = parse(text, known_providers=["anthropic"]).warnings

        assert warning.field == "organizations[0].policy.providers.deny[0]"
        assert "did you mean anthropic?" in warning.remedy

    def test_a_project_that_narrows_is_not_doubtful(self):
        """An intersection that leaves something is what policies are for."""
        text = organization(
            "policy: {geographies: [eu, us], providers: {allow: [a, b], deny: [b]}}",
            "projects:",
            "- {id: p, policy: {geographies: [us, apac], providers: {deny: [c]}}}",
        )

        assert parse(text).warnings == ()
