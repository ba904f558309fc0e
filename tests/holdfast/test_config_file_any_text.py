"""Whatever is in a configuration file: it loads, or it says what is wrong."""

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configuration_files import EVERYTHING, parse
from holdfast.config_file import ConfigurationError, Fault
from holdfast.config_file.reference import sections
from holdfast.settings import Settings

SECRET = st.from_regex(r"[A-Za-z0-9*!&%@'\"{}:,-]{12,40}", fullmatch=True)
KEYS = "organizations: [{{id: a, projects: [{{id: p, keys: "
NAMES = sorted({field.name for section in sections() for field in section.fields})
KEYWORDS = st.sampled_from([*NAMES, "env", "file", "p"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["eu", "a/b", "https://a", "127.0.0.1:1", "none", "{env: A}", "2024-06-01"]
    ),
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(KEYWORDS, below, max_size=5),
    ),
    max_leaves=12,
)
YAMLISH = st.lists(
    st.sampled_from(
        [*NAMES, ":", " ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&a", "*a", "<<",
         '"', "'", "|", ">", "!!int", "!!bool", "!x", "%YAML", "#", "---", "\t", "0x_",
         "1:99", "1e999", "?", "\\", "\ud800", "é", "\x00", "2024-99-99", "=", "~"]
    ),
    max_size=30,
).map("".join)  # fmt: skip
QUICK = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)


def told(text: str) -> tuple[Fault, ...]:
    """Return what is said about a file, usable or not."""
    try:
        loaded = parse(text, known_providers=["openai"], known_models=["m"])
    except ConfigurationError as error:
        return error.faults
    assert isinstance(loaded.settings, Settings)
    return loaded.warnings


def is_one_line(fault: Fault) -> bool:
    return str(fault).isprintable() and fault.line > 0


class TestAnyText:
    @given(text=st.one_of(st.text(max_size=60), YAMLISH))
    @QUICK
    def test_no_text_makes_it_fail_otherwise(self, text):
        """It loads, or it says what is wrong in lines that can be printed."""
        assert all(map(is_one_line, told(text)))

    @given(
        tree=TREES, name=st.sampled_from([field.name for field in sections()[0].fields])
    )
    @QUICK
    def test_no_shape_makes_it_fail_otherwise(self, tree, name):
        """Whatever stands where the schema wants something else."""
        assert all(map(is_one_line, told(yaml.safe_dump({name: tree}))))

    @given(
        at=st.integers(0, len(EVERYTHING) - 1),
        length=st.integers(0, 30),
        instead=st.one_of(st.text(max_size=5), st.sampled_from(["0", "[]", "{}", "~"])),
    )
    @QUICK
    def test_no_slip_of_the_pen_makes_it_fail_otherwise(self, at, length, instead):
        """A good file, with something cut out and something put in."""
        text = EVERYTHING[:at] + instead + EVERYTHING[at + length :]

        assert all(map(is_one_line, told(text)))

    @given(
        secret=SECRET,
        shape=st.sampled_from(
            [
                "providers: {{p: {{credential: {0}}}}}",
                "providers: {{p: {{credential: {{key: {0}}}}}}}",
                "providers: {{p: {{credential: {{env: {0}}}}}}}",
                "providers: {{p: {{credential: {{{0}}}}}}}",
                "providers: {{p: {{credential: [{0}]}}}}",
                "providers: {{p: {{base_uri: 'https://user:{0}@host'}}}}",
                "ledger: '{0}'",
                "providers:\n  p:\n    credential: {0}\n",
                KEYS + """[{{id: a, key: "{0} x"}}]}}]}}]""",
            ]
        ),
    )
    @QUICK
    def test_no_fault_repeats_a_secret(self, secret, shape):
        """Not even where a secret breaks the YAML or stands in the wrong place."""
        found = told(shape.format(secret))

        # A name of letters and digits is a variable's name as far as one can tell.
        if not secret.isalnum():
            assert not [fault for fault in found if secret in str(fault)]
