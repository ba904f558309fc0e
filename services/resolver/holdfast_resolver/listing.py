"""What one caller may call, for the lists of models and the browse page."""

from collections.abc import Iterable

from holdfast import convert
from holdfast.api.catalog.v1 import catalog_service_pb2 as pb
from holdfast.errors import ModelNotFoundError, RequestMalformedError
from holdfast.model import Deployment, Exclusion, Model, Requirements
from holdfast.policy import Strayed
from holdfast_resolver.directory import Membership
from holdfast_resolver.eligibility import split
from holdfast_resolver.expansion import expand
from holdfast_resolver.health.standing import Standing
from holdfast_resolver.ordering import Stand

_DEFAULT_PAGE = 1_000
_LARGEST_PAGE = 10_000


def list_models(
    request: pb.ListModelsRequest, member: Membership, stand: Stand, strayed: Strayed
) -> pb.ListModelsResponse:
    """List one page, ordered by name.

    Raises:
        RequestMalformedError: The page size is negative.
    """
    if request.page_size < 0:
        raise RequestMalformedError(
            "`page_size` may not be negative.", field="page_size"
        )
    size = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
    names = member.names
    models = {**names.models, **names.custom_models}
    response = pb.ListModelsResponse(
        caller=convert.caller_to_wire(member.caller), is_admin=member.admin
    )
    if not request.page_token:
        response.aliases.extend(
            pb.Alias(
                alias_id=alias.name,
                targets=alias.fallback_models,
                description=alias.description,
            )
            for name, alias in sorted(names.aliases.items())
            if request.include_excluded or _leads_somewhere(name, member, strayed)
        )
    for name in sorted(models):
        if name <= request.page_token:
            continue
        if len(response.models) == size:
            response.next_page_token = response.models[-1].model_id
            break
        deployments = list(
            _deployments(
                models[name],
                member,
                stand,
                strayed,
                everything=request.include_excluded,
            )
        )
        if deployments:
            response.models.append(_listed(models[name], deployments))
    return response


def _leads_somewhere(alias: str, member: Membership, strayed: Strayed) -> bool:
    """Tell whether a caller may use any deployment that an alias stands for."""
    try:
        places = expand(alias, member.names).members
    except ModelNotFoundError:
        return False
    return any(_allowed(place.deployments, member, strayed)[0] for place in places)


def _allowed(
    deployments: Iterable[Deployment], member: Membership, strayed: Strayed
) -> tuple[list[Deployment], list[Exclusion]]:
    """Split deployments by what holds for every request of the caller."""
    return split(
        deployments,
        member.policies,
        member.names.objections.get,
        Requirements(),
        strayed,
    )


def _listed(model: Model, deployments: list[pb.ListedDeployment]) -> pb.ListedModel:
    return pb.ListedModel(
        model_id=model.id,
        display_name=model.display_name or model.id,
        lab_id=model.lab_id,
        custom=model.custom,
        deployments=deployments,
    )


def _deployments(
    model: Model,
    member: Membership,
    stand: Stand,
    strayed: Strayed,
    *,
    everything: bool,
) -> Iterable[pb.ListedDeployment]:
    allowed, excluded = _allowed(model.deployments, member, strayed)
    rules = {exclusion.deployment.id: exclusion.rule for exclusion in excluded}
    shown: Iterable[Deployment] = model.deployments if everything else allowed
    for deployment in shown:
        standing = stand(deployment)
        left = standing.left
        yield pb.ListedDeployment(
            deployment=convert.deployment_to_wire(deployment),
            exclusion_rule=rules.get(deployment.id, ""),
            cooldown=None if left is None else convert.duration_to_wire(left),
            state=_state(standing),
        )


def _state(standing: Standing) -> pb.DeploymentState.ValueType:
    if standing.left is None:
        is_whole = standing.share >= 1.0
        return (
            pb.DEPLOYMENT_STATE_HEALTHY if is_whole else pb.DEPLOYMENT_STATE_RECOVERING
        )
    if not standing.left:
        return pb.DEPLOYMENT_STATE_PROBING
    return (
        pb.DEPLOYMENT_STATE_COOLING_DOWN
        if standing.is_told
        else pb.DEPLOYMENT_STATE_EJECTED
    )
