"""Answers that are to be XML, or JSON by way of it."""

import json
from pathlib import Path

import pytest

from fakes.formed import BO, BOTH, PERSON, PROSE, answering, asked, content, said, sent
from fakes.scene import messages, scene
from fakes.scripted_provider import (
    completion,
)
from holdfast.errors import (
    RequestMalformedError,
    StructuredOutputInvalidError,
)
from holdfast.model import Limits

XML = {"type": "xml", "xml": {"root": "person"}}
BO_XML = "<person><name>Bo</name></person>"
BOMB = (
    '<!DOCTYPE person [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<person>&b;</person>"
)
XSD = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="person">'
    '<xs:complexType><xs:sequence><xs:element name="age" type="xs:integer"/>'
    "</xs:sequence></xs:complexType></xs:element></xs:schema>"
)


class TestXml:
    """Well-formed, by its root, and by a schema where there is one."""

    @BOTH
    @pytest.mark.parametrize(
        "wrapped",
        [BO_XML, f"Here:\n```xml\n{BO_XML}\n```", f"It is {BO_XML}, I think (x > y)."],
    )
    async def test_xml_is_asked_for_in_words(self, wrapped: str, streams: bool) -> None:
        """No provider has a field for it."""
        async with scene(answering(wrapped, streams=streams)) as s:
            assert await said(s, XML, streams=streams) == BO_XML

        assert "response_format" not in sent(s)
        assert "<person>" in sent(s)["messages"][0]["content"]

    @pytest.mark.parametrize(
        ("bad", "keyword"),
        [
            ("<person><name>Bo</person>", "xml"),
            ("<dog/>", "root"),
            (PROSE, "xml"),
            (BOMB, "doctype"),
            ("<person>&lol;</person>", "xml"),
            ("<person>" + "<a>" * 150 + "</a>" * 150 + "</person>", "depth"),
            ("<person>" + "<a>" * 9_999 + "</a>" * 9_999 + "</person>", "xml"),
        ],
        ids=["broken", "root", "prose", "bomb", "entity", "deep", "deeper"],
    )
    async def test_what_is_no_such_xml_is_asked_for_again(
        self, bad: str, keyword: str
    ) -> None:
        """Bombs are not opened."""
        async with scene([completion(bad), completion(BO_XML)]) as s:
            assert await content(s, asked(XML)) == BO_XML
        async with scene(completion(bad)) as s:
            with pytest.raises(StructuredOutputInvalidError) as raised:
                await s.execute(asked(XML))

        assert raised.value.metadata["violations"] == f" {keyword}"

    async def test_a_schema_has_to_be_kept(self) -> None:
        """By what it calls types."""
        wanted = {"type": "xml", "xml": {"root": "person", "schema": XSD}}
        good = "<person><age>7</age></person>"
        bad = "<person><age>secret</age></person>"
        async with scene([completion(bad), completion(good)]) as s:
            assert await content(s, asked(wanted)) == good
        async with scene(completion(bad)) as s:
            with pytest.raises(StructuredOutputInvalidError) as raised:
                await s.execute(asked(wanted), limits=Limits(parse_retries=0))

        (line,) = raised.value.metadata["violations"].splitlines()
        assert line.startswith("/person/age cvc-datatype-valid")

    @pytest.mark.parametrize("schema", ["<a>", "<a/>", BOMB])
    async def test_a_schema_that_is_none_is_the_callers_fault(
        self, schema: str
    ) -> None:
        """Nobody is asked."""
        wanted = {"type": "xml", "xml": {"root": "person", "schema": schema}}
        async with scene(completion(BO_XML)) as s:
            with pytest.raises(RequestMalformedError) as raised:
                await s.execute(asked(wanted))

        assert raised.value.metadata["field"] == "response_format.xml.schema"
        assert not s.providers[0].taken

    @pytest.mark.parametrize("way", ["import", "include", "redefine"])
    async def test_nothing_is_read_for_a_schema(self, way: str, tmp_path: Path) -> None:
        """A file that is there is not looked at."""
        other = tmp_path / "other.xsd"
        other.write_text(XSD.replace('"person"', '"another"'))
        within = f'<xs:{way} schemaLocation="{other}"/>'
        schema = XSD.replace("<xs:element", f"{within}<xs:element", 1)
        wanted = {"type": "xml", "xml": {"root": "person", "schema": schema}}
        async with scene(completion(BO_XML)) as s:
            with pytest.raises(RequestMalformedError) as raised:
                await s.execute(asked(wanted))

        assert f"<{way}>" in raised.value.message

    async def test_json_may_be_asked_for_by_way_of_xml(self) -> None:
        """The model writes XML, and the caller gets the JSON that it stands for."""
        named = {"name": "person", "schema": PERSON, "via": "xml"}
        wanted = {"type": "json_schema", "json_schema": named}
        written = "<answer><name>Bo &amp; co</name><age>7</age></answer>"
        async with scene(
            [completion("<answer><age>x</age></answer>"), completion(written)]
        ) as s:
            answer = await content(s, asked(wanted))

        assert json.loads(answer) == {"name": "Bo & co", "age": 7}
        assert "<answer><name>text</name>" in sent(s)["messages"][0]["content"]
        assert "/name" in sent(s, attempt=1)["messages"][-1]["content"]

    async def test_a_stream_made_from_xml_cannot_be_early(self) -> None:
        """There is no JSON before all the XML is there."""
        named = {"name": "person", "schema": PERSON, "via": "xml"}
        body = asked(
            {"type": "json_schema", "json_schema": named},
            stream=True,
            stream_validation="end",
        )
        async with scene(completion(BO)) as s:
            with pytest.raises(RequestMalformedError):
                await messages(s.stream(body))
