"""AWS's temporary credentials, from a profile, a web identity or the machine."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.identities import holding, shown
from fakes.listener import Answer, Asked, Listener
from holdfast_executor.auth import NoProofError

WEB_IDENTITY = {
    "role_arn": "arn:aws:iam::123456789012:role/gateway",
    "web_identity_token": "a.projected.token",
}
PROFILES = """
[profile inference]
aws_access_key_id = AKIDPROFILE
aws_secret_access_key = s3cret
aws_session_token = t0ken
"""


def role(asked: Asked) -> Answer:
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        200,
        f"""<AssumeRoleWithWebIdentityResponse
          xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleWithWebIdentityResult><Credentials>
          <AccessKeyId>ASIAROLE</AccessKeyId>
          <SecretAccessKey>s3cret</SecretAccessKey>
          <SessionToken>role-token</SessionToken>
          <Expiration>{ends}</Expiration>
        </Credentials></AssumeRoleWithWebIdentityResult>
        </AssumeRoleWithWebIdentityResponse>""",
    )


def denied(asked: Asked) -> Answer:
    return (
        400,
        """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>
        <Message>a.projected.token is not good</Message></Error></ErrorResponse>""",
    )


async def test_a_web_identity_is_exchanged_for_a_role():
    """Once, and its session's token is signed with."""
    with Listener(role) as sts:
        async with holding(WEB_IDENTITY | {"sts_endpoint": sts.uri}) as authentication:
            headers = [await shown(authentication, "sigv4") for _ in range(3)]

    (asked,) = sts.asked
    assert asked.fields["Action"] == "AssumeRoleWithWebIdentity"
    assert asked.fields["RoleArn"] == WEB_IDENTITY["role_arn"]
    assert asked.fields["WebIdentityToken"] == "a.projected.token"
    assert asked.fields["RoleSessionName"] == "holdfast"
    assert "authorization" not in asked.headers
    for each in headers:
        assert each["x-amz-security-token"] == "role-token"
        assert "Credential=ASIAROLE/" in each["authorization"]


async def test_a_role_that_is_not_given_says_why_in_aws_own_code():
    """Without AWS's words, which quote the token."""
    with Listener(denied) as sts:
        async with holding(WEB_IDENTITY | {"sts_endpoint": sts.uri}) as authentication:
            with pytest.raises(NoProofError) as raised:
                await shown(authentication, "sigv4")

    assert raised.value.message == (
        "AWS gave no role for the token: InvalidIdentityToken"
    )


async def test_a_profile_is_used_from_the_file_that_is_named(tmp_path: Path):
    """Whatever it stands for, botocore finds it."""
    path = tmp_path / "config"
    path.write_text(PROFILES)
    parts = {"profile": "inference", "config_file": str(path)}
    async with holding(parts) as authentication:
        headers = await shown(authentication, "sigv4")

    assert "Credential=AKIDPROFILE/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "t0ken"


async def test_a_profile_that_is_not_there_makes_the_deployment_unusable(
    tmp_path: Path,
):
    """With the kind of fault, not with what the file holds."""
    parts = {"profile": "gone", "config_file": str(tmp_path / "none")}
    async with holding(parts) as authentication:
        with pytest.raises(NoProofError, match=r"profile gone .*ProfileNotFound"):
            await shown(authentication, "sigv4")


AS_A_POD = """
import asyncio, json, sys
from fakes.identities import holding, shown

async def main():
    async with holding({"source": "default"}) as authentication:
        print(json.dumps(await shown(authentication, "sigv4")))

asyncio.run(main())
"""


def test_what_the_machine_has_is_found_as_aws_own_tools_find_it(
    tmp_path: Path,
):
    """A pod's role for its service account, by the variables that EKS sets."""
    token = tmp_path / "token"
    token.write_text("a.pod.token")
    with Listener(role) as sts:
        environ = {
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "AWS_ROLE_ARN": WEB_IDENTITY["role_arn"],
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ENDPOINT_URL_STS": sts.uri,
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-c", AS_A_POD],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["x-amz-security-token"] == "role-token"
    assert sts.asked[0].fields["WebIdentityToken"] == "a.pod.token"
