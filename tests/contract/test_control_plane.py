"""Replicas that share what administrators make through a real etcd: one edit at a time.

What is written is read by a client that is none of ours.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fakes.control import ADMIN, APP, OTHER, digest_of
from fakes.control_replicas import Replica, replicas
from fakes.independent_reader import connect
from fakes.patience import until
from holdfast.control.resources import Alias, ApiKey, CustomModel, Policy
from holdfast.errors import (
    EditConflictError,
    GatewayError,
    RequestMalformedError,
    ResourceExistsError,
    ServiceUnavailableError,
)
from holdfast.model import Caller
from holdfast.ports import ResolveModelRequest
from holdfast_cli.etcd_process import EtcdProcess
from holdfast_resolver.control.records import Path as ResourcePath
from holdfast_resolver.control.records import path_of
from holdfast_resolver.directory import Directory
from holdfast_resolver.etcd.client import EtcdClient
from holdfast_resolver.etcd_control import MOST_CHANGES

WEB = Caller("acme", "web")


def alias(name: str, *members: str, about: str = "") -> Alias:
    return Alias(
        organization="",
        name=name,
        fallback_models=members or ("sonnet",),
        description=about,
    )


def aliases(replica: Replica) -> dict[str, tuple[str, ...]]:
    """Say what callers may name at a replica, of what the API made."""
    names = replica.tenants.directory.member(WEB).names
    return {
        name: each.fallback_models
        for name, each in names.aliases.items()
        if name != "declared"
    }


@pytest.fixture
async def three(etcd_endpoint: str, etcd_prefix: str) -> AsyncIterator[list[Replica]]:
    async with replicas(etcd_endpoint, etcd_prefix, 3) as found:
        yield found


async def test_every_replica_uses_an_edit_within_a_second(three):
    """And the one that made it, at once."""
    one, *others = three
    made = await one.administration.create(
        ADMIN, "key", ApiKey(organization="", project="web", id="k")
    )
    digest = digest_of(made.secret)
    assert one.tenants.directory.admit(digest, 0)

    for other in others:
        await until(lambda r=other: digest in r.tenants.directory.entrances, within_s=1)
        assert other.tenants.directory.revision == one.tenants.directory.revision


async def test_edits_that_race_are_all_made(three):
    """Each on what the one before left, with no number twice and none left out."""
    await asyncio.gather(
        *(
            replica.administration.create(ADMIN, "alias", alias(f"a{n}"))
            for n, replica in zip(range(60), itertools.cycle(three))
        )
    )
    for replica in three:
        await until(lambda r=replica: len(aliases(r)) == 60)

    edits = await three[0].administration.generations(ADMIN)
    assert [each.number for each in edits] == list(range(60, 0, -1))
    assert sum(replica.store.counts.lost_races for replica in three) > 0


async def test_a_name_is_given_away_once(three):
    """However many ask for it at the same moment, at whichever replica."""
    results = await asyncio.gather(
        *(r.administration.create(ADMIN, "alias", alias("best")) for r in three),
        return_exceptions=True,
    )

    assert sum(isinstance(each, ResourceExistsError) for each in results) == 2
    listed = await three[0].administration.list(ADMIN, "alias")
    assert [each.resource.name for each in listed] == ["best", "declared"]


async def test_editors_of_one_resource_do_not_undo_each_other(three):
    """Of those who have seen the same state one wins, and the others are told."""
    made = await three[0].administration.create(ADMIN, "alias", alias("best"))
    for replica in three:
        await until(lambda r=replica: "best" in aliases(r))
    results = await asyncio.gather(
        *(
            r.administration.replace(
                ADMIN,
                "alias",
                ["best"],
                alias("best", "opus", *["sonnet"] * n),
                etag=made.etag,
            )
            for n, r in enumerate(three)
        ),
        return_exceptions=True,
    )

    conflicts = [each for each in results if isinstance(each, EditConflictError)]
    (winner,) = [each for each in results if not isinstance(each, Exception)]
    assert len(conflicts) == 2
    assert {each.metadata["etag"] for each in conflicts} == {winner.etag}


async def test_an_edit_that_names_no_state_is_made_on_whatever_there_is(three):
    """It says that it does not mind."""
    await three[0].administration.create(ADMIN, "alias", alias("best"))
    for replica in three:
        await until(lambda r=replica: "best" in aliases(r))
    await asyncio.gather(
        *(
            r.administration.replace(
                ADMIN, "alias", ["best"], alias("best", "opus", *["sonnet"] * n)
            )
            for n, r in enumerate(three)
        )
    )

    await until(lambda: three[0].store.state.generation == 4)


async def test_a_thousand_edits_under_load(three):
    """No request fails meanwhile, and none finds the alias gone or half made."""
    one, two, reader = three
    await one.administration.create(ADMIN, "alias", alias("best", "sonnet", "opus"))
    for replica in three:
        await until(lambda r=replica: "best" in aliases(r))
    done = asyncio.Event()
    resolved, seen = 0, set()

    async def ask(replica: Replica) -> None:
        nonlocal resolved
        while not done.is_set():
            plan = await replica.resolver.resolve_model(
                ResolveModelRequest(APP, "best")
            )
            seen.add(tuple(sorted(s.deployment.id for s in plan.plan.steps)))
            resolved += 1
            await asyncio.sleep(0)

    async def edit(replica: Replica, turns: Sequence[int]) -> None:
        for turn in turns:
            members = ("sonnet", "opus") if turn % 2 else ("opus", "sonnet")
            await replica.administration.replace(
                ADMIN, "alias", ["best"], alias("best", *members, about=f"turn {turn}")
            )

    asking = [asyncio.create_task(ask(replica)) for replica in three]
    await asyncio.gather(edit(one, range(500)), edit(two, range(500, 1000)))
    done.set()
    await asyncio.gather(*asking)

    assert resolved > 1000
    assert seen == {("a/opus", "a/sonnet")}
    for replica in three:
        await until(lambda r=replica: r.store.state.generation == 1001, within_s=1)
    for replica in three:
        assert replica.tenants.directory.revision == reader.tenants.directory.revision


async def test_half_an_edit_is_never_seen(three):
    """Going back changes a hundred aliases; whoever looks sees all of it or nothing."""
    one, _, reader = three
    many = MOST_CHANGES // 2
    for number in range(many):
        await one.administration.create(ADMIN, "alias", alias(f"a{number}", "sonnet"))
    await until(lambda: len(aliases(reader)) == many)
    told: list[Directory] = []
    reader.tenants.listen(told.append)
    looking = asyncio.create_task(_looking(reader, told))
    before = one.store.state.generation
    for _ in range(5):
        await one.administration.roll_back(ADMIN, 0)
        await one.administration.roll_back(ADMIN, before)
    await until(lambda: reader.store.state.generation == before + 10)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)

    sizes = [len(each.member(WEB).names.aliases) - 1 for each in told]
    assert set(sizes) == {0, many}
    assert sizes[-1] == many


async def _looking(replica: Replica, told: list[Directory]) -> None:
    while True:
        told.append(replica.tenants.directory)
        await asyncio.sleep(0)


async def test_too_much_for_one_edit_is_refused(three):
    """Etcd takes so many changes at once; nothing of it is made."""
    store = three[0].store
    changes = {
        path_of("policy", each): each
        for each in (
            Policy(organization="acme", project="web", key=f"k{number}")
            for number in range(MOST_CHANGES + 1)
        )
    }

    with pytest.raises(RequestMalformedError, match="smaller steps"):
        await store.edit("somebody", "roll_back", lambda _: changes)
    changes.popitem()
    await store.edit("somebody", "roll_back", lambda _: changes)
    assert len(store.state.of("policy", "acme")) == MOST_CHANGES


class CarriesOutTwice(EtcdClient):
    """An etcd that carries an edit out, falls silent, and is asked once more."""

    async def call(self, method, request, **more):
        answer = await super().call(method, request, **more)
        if method.path.endswith("/Txn"):
            return await super().call(method, request, **more)
        return answer


async def test_an_edit_that_was_carried_out_twice_is_made_once(
    etcd_endpoint, etcd_prefix
):
    """Who made it is not told that somebody else was faster."""
    replica = Replica([], etcd_prefix, CarriesOutTwice([etcd_endpoint]))
    await replica.start()
    assert await replica.store.mirror.wait_synced(10)
    await replica.administration.create(ADMIN, "alias", alias("best"))
    await replica.administration.create(ADMIN, "alias", alias("next"))

    assert replica.store.state.generation == 2
    assert set(aliases(replica)) == {"best", "next"}
    assert replica.store.counts.lost_races == 0
    await replica.close()


async def test_nothing_that_is_kept_lets_anybody_in(etcd_endpoint, etcd_prefix, three):
    """No secret and no credential, wherever in etcd one looks for it."""
    one = three[0]
    made = await one.administration.create(
        ADMIN, "key", ApiKey(organization="", project="web", id="k")
    )
    rotated = await one.administration.rotate(ADMIN, "web", "k", overlap_s=60)
    custom = CustomModel(
        organization="",
        name="acme/tuned",
        identifier="openai/x",
        extra={"api_base": "https://tuned.example/v1"},
    )
    credentials = ["k-first-credential", "k-second-credential"]
    await one.administration.create(
        APP, "custom_model", custom, credential=credentials[0]
    )
    await one.administration.replace(
        APP, "custom_model", ["acme/tuned"], custom, credential=credentials[1]
    )
    other = msgspec.structs.replace(custom, name="acme/other")
    await one.administration.create(APP, "custom_model", other, credential="gone")
    await one.administration.delete(APP, "custom_model", ["acme/other"])

    with closing(connect(etcd_endpoint)) as reader:
        found = await asyncio.to_thread(lambda: list(reader.get_prefix(etcd_prefix)))
    kept = {meta.key.decode().removeprefix(etcd_prefix): value for value, meta in found}
    everything = b"\n".join(kept.values())
    assert b"sealed_credential" in everything
    for secret in (made.secret, rotated.secret, *credentials):
        assert secret.encode() not in everything
        assert secret[3:].encode() not in everything
    assert kept["/control/generation"] == b"6"
    assert sorted(key for key in kept if "/log/" in key) == [
        f"/control/log/{number:012}" for number in range(1, 7)
    ]
    assert (
        digest_of(rotated.secret).hex().encode()
        in (kept["/control/resources/key/acme/web/k"])
    )
    log = b"".join(value for key, value in kept.items() if "/log/" in key)
    assert digest_of(made.secret).hex().encode() not in log


async def test_names_with_slashes_are_one_part_of_a_key(
    etcd_endpoint, etcd_prefix, three
):
    """So that nobody's name can lead into another's resources."""
    name = "../../acme/x y"
    policy = Policy(organization="", project="web", geographies=("eu",))
    await three[0].administration.create(ADMIN, "policy", policy)

    assert ResourcePath("guardrail", "acme", (name,)).key.count("/") == 3
    with closing(connect(etcd_endpoint)) as reader:
        value, _ = await asyncio.to_thread(
            reader.get, f"{etcd_prefix}/control/resources/policy/acme/web/"
        )
    assert b'"geographies":["eu"]' in value


async def test_only_so_much_history_is_kept(etcd_endpoint, etcd_prefix, three):
    """In etcd, too: each edit lets the one go that is a hundred older."""
    one = three[0]
    for number in range(103):
        await one.administration.create(ADMIN, "alias", alias(f"a{number}"))

    with closing(connect(etcd_endpoint)) as reader:
        log = await asyncio.to_thread(
            lambda: list(reader.get_prefix(f"{etcd_prefix}/control/log/"))
        )
    assert len(log) == 100
    assert min(one.store.state.log) == 4


class TestWithoutEtcd:
    """Losing etcd costs edits, and nothing else."""

    async def test_things_are_read_and_edits_fail_until_it_is_back(
        self, tmp_path: Path
    ):
        """Within a few seconds, whether the connection is refused or silent."""
        etcd = EtcdProcess(tmp_path)
        await etcd.start()
        assert await etcd.wait_ready(10)
        # So patient that it does not notice by itself within this test.
        async with replicas(etcd.endpoint, "/test", 2, idle_s=60) as (one, two):
            await one.administration.create(ADMIN, "alias", alias("best"))
            await until(lambda: "best" in aliases(two))
            etcd._process.send_signal(19)  # SIGSTOP: it is there, and silent
            async with asyncio.timeout(5):
                results = await asyncio.gather(
                    *(
                        one.administration.create(ADMIN, "alias", alias(f"a{number}"))
                        for number in range(20)
                    ),
                    return_exceptions=True,
                )

            assert all(isinstance(each, ServiceUnavailableError) for each in results)
            # Who waited behind the one that was sent fails with it.
            assert sum("may have been made" in each.message for each in results) == 1
            assert await two.administration.get(ADMIN, "alias", ["best"])
            assert await one.resolver.resolve_model(ResolveModelRequest(APP, "best"))
            etcd._process.send_signal(18)
            await until(lambda: one.store.synced and two.store.synced)
            await _made(two, alias("after"))
            await until(lambda: "after" in aliases(one))
        await etcd.stop()

    async def test_it_starts_with_what_the_file_declares(self, tmp_path: Path):
        """And learns the rest as soon as there is an etcd."""
        etcd = EtcdProcess(tmp_path)
        await etcd.start()
        assert await etcd.wait_ready(10)
        async with replicas(etcd.endpoint, "/test", 1) as (one,):
            made = await one.administration.create(
                ADMIN, "key", ApiKey(organization="", project="web", id="k")
            )
        digest = digest_of(made.secret)
        etcd._process.send_signal(19)
        late = Replica([etcd.endpoint], "/test")
        await late.start()

        assert late.tenants.directory.admit(OTHER, 0).admin
        assert await late.resolver.resolve_model(ResolveModelRequest(APP, "sonnet"))
        with pytest.raises(ServiceUnavailableError, match="cannot be read yet"):
            late.tenants.directory.admit(digest, 0)
        with pytest.raises(ServiceUnavailableError, match="not made"):
            await late.administration.create(ADMIN, "alias", alias("best"))
        etcd._process.send_signal(18)
        await until(lambda: digest in late.tenants.directory.entrances)
        assert late.tenants.directory.admit(digest, 0)
        await late.close()
        await etcd.stop()


async def _made(replica: Replica, resource: Alias) -> None:
    """Make an alias as soon as etcd takes it."""
    for _ in range(50):
        try:
            await replica.administration.create(ADMIN, "alias", resource)
        except ServiceUnavailableError:
            await asyncio.sleep(0.1)
        except GatewayError:
            return
        else:
            return
    raise AssertionError("etcd did not come back")
