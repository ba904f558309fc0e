"""Keys, credentials and budgets: what is shown once, never, or as it stands."""

import dataclasses
import hashlib
from typing import Any

import pytest

from fakes.administration import NOW
from holdfast.model import Budget, BudgetStatus

from .conftest import Edge, told

TUNED = {"name": "acme/tuned", "identifier": "openai/tuned-7b"}


@pytest.fixture
async def edge(admin_edge: Edge) -> Edge:
    """Give an edge, and a client with an admin key."""
    return admin_edge


class TestKeys:
    """Keys and their secrets."""

    async def test_a_secret_is_shown_once(self, edge: Edge) -> None:
        """By the answer that made it, and nowhere else."""
        made = await edge.http.post("/v2/projects/web/keys", json={"id": "ci"})

        shown = await edge.http.get("/v2/projects/web/keys/ci")
        listed = await edge.http.get("/v2/projects/web/keys")
        assert made.json()["secret"].startswith("hf-")
        assert "secret" not in shown.json()
        assert "secret" not in listed.json()["data"][0]

    async def test_nobody_chooses_a_secret(self, edge: Edge) -> None:
        """It is the server that makes it up, whatever is sent."""
        digest = hashlib.sha256(b"mine").hexdigest()

        made = await edge.http.post(
            "/v2/projects/web/keys", json={"id": "ci", "secrets": [{"digest": digest}]}
        )

        (kept,) = (s for s in edge.administration.kept.values() if s.kind == "key")
        assert made.status_code == 201
        assert digest not in {secret.digest for secret in kept.resource.secrets}

    async def test_people_can_tell_which_secret_it_is(self, edge: Edge) -> None:
        """By its last characters; its digest is shown to nobody."""
        made = await edge.http.post("/v2/projects/web/keys", json={"id": "ci"})

        shown = (await edge.http.get("/v2/projects/web/keys/ci")).json()

        (secret,) = shown["secrets"]
        assert secret == {"hint": made.json()["secret"][-4:], "expires_at": None}

    @pytest.mark.parametrize("sent", [{}, {"json": {}}, {"json": {"overlap_s": 3600}}])
    async def test_rotates(self, edge: Edge, sent: dict[str, Any]) -> None:
        """Another secret, shown once, with or without a word on the overlap."""
        made = await edge.http.post("/v2/projects/web/keys", json={"id": "ci"})

        rotated = await edge.http.post("/v2/projects/web/keys/ci/rotate", **sent)

        assert rotated.status_code == 200
        assert rotated.json()["secret"] not in ("", made.json()["secret"])

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"overlap_s": -1}, "overlap_s"),
            ({"overlap_s": "1h"}, "overlap_s"),
            ({"overlap_s": 1e12}, "overlap_s"),
            ({"overlap": 1}, "overlap"),
        ],
    )
    async def test_wants_an_overlap_that_is_one(
        self, edge: Edge, body: dict[str, Any], field: str
    ) -> None:
        """In seconds, thirty days at most."""
        await edge.http.post("/v2/projects/web/keys", json={"id": "ci"})

        response = await edge.http.post("/v2/projects/web/keys/ci/rotate", json=body)

        assert told(response) == (400, "invalid_request", field)


class TestCredentials:
    """A custom model's credential."""

    async def test_is_taken_and_never_shown(self, edge: Edge) -> None:
        """Not by the answer that made it, either."""
        made = await edge.http.post(
            "/v2/models/custom", json={**TUNED, "api_key": "sk-secret"}
        )

        shown = await edge.http.get(f"/v2/models/custom/{made.json()['id']}")
        assert edge.administration.credentials == {"acme/tuned": "sk-secret"}
        for response in (made, shown):
            assert "sk-secret" not in response.text
            assert "sealed_credential" not in response.json()
            assert "api_key" not in response.json()

    @pytest.mark.parametrize(
        ("change", "kept"),
        [
            ({}, "sk-secret"),
            ({"extra": {"region": "us"}}, "sk-secret"),
            ({"api_key": "sk-other"}, "sk-other"),
            ({"api_key": None}, ""),
            ({"api_key": ""}, ""),
        ],
    )
    async def test_stays_unless_it_is_mentioned(
        self, edge: Edge, change: dict[str, Any], kept: str
    ) -> None:
        """Another takes its place, and null takes it away."""
        made = await edge.http.post(
            "/v2/models/custom", json={**TUNED, "api_key": "sk-secret"}
        )
        at = f"/v2/models/custom/{made.json()['id']}"

        response = await edge.http.patch(at, json=change)

        assert response.status_code == 200
        assert edge.administration.credentials == {"acme/tuned": kept}

    async def test_nobody_sends_what_is_sealed(self, edge: Edge) -> None:
        """What is withheld is taken from nobody either."""
        response = await edge.http.post(
            "/v2/models/custom", json={**TUNED, "sealed_credential": "x"}
        )

        assert told(response) == (400, "invalid_request", "sealed_credential")
        hint = response.json()["error"]["message"].partition(":")[2]
        assert "sealed_credential" not in hint

    async def test_is_a_text(self, edge: Edge) -> None:
        """And of no other kind of resource."""
        wrong = await edge.http.post("/v2/models/custom", json={**TUNED, "api_key": 7})
        elsewhere = await edge.http.post(
            "/v2/models/aliases",
            json={"name": "a", "fallback_models": ["m"], "api_key": "sk"},
        )

        assert told(wrong) == (400, "invalid_request", "api_key")
        assert told(elsewhere) == (400, "invalid_request", "api_key")
        assert "sk" not in elsewhere.json()["error"]["message"].split()


class TestBudgets:
    """How budgets stand, where they are looked at."""

    @pytest.fixture
    def standing(self, edge: Edge) -> BudgetStatus:
        """Say how the project's budget stands."""
        status = BudgetStatus(
            Budget("acme", "web", "", 100_000_000),
            spent_usd_nanos=80_250_000_001,
            reserved_usd_nanos=2_000_000_000,
            reset_s=int(NOW.timestamp()),
            warns=True,
        )
        edge.resolver.budgets.append(status)
        return status

    async def test_show_what_is_spent_and_left(
        self, edge: Edge, standing: BudgetStatus
    ) -> None:
        """Exactly, as text; and when the next month begins."""
        await edge.http.put("/v2/budgets/projects/web", json={"monthly_usd": "100"})
        await edge.http.put("/v2/budgets/organization", json={"monthly_usd": "500"})

        alone = (await edge.http.get("/v2/budgets/projects/web")).json()
        listed = (await edge.http.get("/v2/budgets")).json()["data"]

        assert alone["this_month"] == {
            "spent_usd": "80.250000001",
            "reserved_usd": "2",
            "left_usd": "17.749999999",
            "resets_at": "2026-05-01T12:00:00Z",
            "warns": True,
            "is_current": True,
        }
        assert [row["this_month"] for row in listed] == [alone["this_month"], None]

    async def test_one_that_counts_for_nothing_has_no_figures(
        self, edge: Edge, standing: BudgetStatus
    ) -> None:
        """Those are of the one that the file declares by now."""
        await edge.http.put("/v2/budgets/projects/web", json={"monthly_usd": "100"})
        (place,) = [p for p in edge.administration.kept if p[0] == "budget"]
        kept = edge.administration.kept
        kept[place] = dataclasses.replace(kept[place], shadowed=True)

        shown = (await edge.http.get("/v2/budgets/projects/web")).json()

        assert shown["shadowed"]
        assert shown["this_month"] is None

    async def test_are_always_shown_as_they_stand(
        self, edge: Edge, standing: BudgetStatus
    ) -> None:
        """What is spent changes without an edit, and so without another etag."""
        await edge.http.put("/v2/budgets/projects/web", json={"monthly_usd": "100"})
        shown = await edge.http.get("/v2/budgets/projects/web")

        again = await edge.http.get(
            "/v2/budgets/projects/web",
            headers={"if-none-match": shown.headers["etag"]},
        )
        put_back = await edge.http.put("/v2/budgets/projects/web", json=shown.json())

        assert (again.status_code, again.json()) == (200, shown.json())
        assert put_back.status_code == 200
