"""The fields of `providers` and `models`."""

from decimal import Decimal

from holdfast.config_file.addresses import Uri
from holdfast.config_file.amounts import USD, Number, integer
from holdfast.config_file.credentials import CredentialParts, NamedCredentials
from holdfast.config_file.kinds import Choice, Flag, choice
from holdfast.config_file.schema.names import ID, MODEL, WORD
from holdfast.config_file.structure import Field, ListOf, Section
from holdfast.model import AUTHS, DIALECTS, GEOGRAPHIES, Capability

MOST_TOKENS = 2**31 - 1
"""What the contract between the services carries."""

LONGEST_RETENTION_DAYS = 36_500
"""A century: whoever keeps data for ever says so with this."""

DATA = Section(
    "data",
    "How what is sent and answered is treated, by contract or by the provider's own "
    "terms. What is not said is unknown, and no policy on it allows the unknown.",
    (
        Field(
            "trains_on_data",
            Flag(),
            "Whether models are trained on it.",
            "unknown",
        ),
        Field(
            "retention_days",
            integer(0, LONGEST_RETENTION_DAYS),
            "For how many days it is kept at most; 0 for not at all.",
            "unknown",
        ),
    ),
)

PROVIDER = Section(
    "providers.ID",
    "A credential, and what overrides or adds to the catalog's provider of that "
    "id. A provider that the catalog does not know needs `dialect` and "
    "`base_uri`. One whose credential is not there is left out of plans.",
    (
        Field(
            "credential",
            CredentialParts(),
            "What authenticates requests. A mapping whose one name is `env` or "
            "`file` is a secret, any other the parts of a credential: see "
            "[Credentials](#credentials).",
            "none",
        ),
        Field(
            "credentials",
            NamedCredentials(),
            "Several that are used in turn, in place of `credential`. The names "
            "stand on traces and are no secrets.",
            "none",
        ),
        Field("dialect", choice(DIALECTS), "The wire format.", "the catalog's"),
        Field(
            "base_uri",
            Uri(has_places=True),
            "What the dialect's paths are appended to.",
            "the catalog's",
        ),
        Field(
            "auth",
            choice(AUTHS),
            "How requests are authenticated: `bearer` sends the credential in "
            "`Authorization`, `sigv4` signs with AWS's Signature Version 4, "
            "`google` sends an OAuth token of Google's, the others send the "
            "credential in the header of that name.",
            "the catalog's, else the dialect's habit",
        ),
        Field(
            "allow_private_network",
            Flag(),
            "Whether `base_uri` may lead to a private address.",
            "false",
        ),
        Field(
            "data",
            DATA,
            "What it promises this gateway's own account: an agreement on zero data "
            "retention, say.",
            "what the catalog knows it to promise everybody, where it is called at "
            "the catalog's address",
        ),
    ),
)

PRICING = Section(
    "pricing",
    "Prices in US dollars per million tokens, exact to six decimals.",
    (
        Field("input", USD, "Input tokens not read from the cache.", None),
        Field("output", USD, "Output tokens, reasoning included.", None),
        Field("cache_read", USD, "Input tokens read from the cache.", "`input`"),
        Field("cache_creation", USD, "Input tokens written to the cache.", "`input`"),
    ),
)

CAPABILITIES = Field(
    "capabilities",
    ListOf(Choice(tuple(Capability), hyphens=True)),
    "What it can do. A request that needs more does not go there. `responses`: beside "
    "`openai-chat` it speaks OpenAI's Responses at the same address, and is asked in "
    "it what callers ask in it.",
    "none",
)
CONTEXT_WINDOW = Field(
    "context_window_tokens",
    integer(0, MOST_TOKENS),
    "Input and output together; 0 is unknown.",
    "0",
)
MAX_OUTPUT = Field(
    "max_output_tokens",
    integer(0, MOST_TOKENS),
    "Of one answer; 0 is unknown.",
    "0",
)
PRICING_FIELD = Field(
    "pricing", PRICING, "What tokens cost.", "unknown: no cost is computed"
)

DEPLOYMENT = Section(
    "models[].deployments[]",
    "One place the model runs.",
    (
        Field(
            "id",
            MODEL,
            "What a caller writes to pin it.",
            "`PROVIDER/MODEL`, with `-GEOGRAPHY` if it has one",
        ),
        Field(
            "provider",
            ID,
            "Who serves it: an id under `providers`, or the catalog's.",
            None,
        ),
        Field(
            "provider_model", MODEL, "The model name sent upstream.", "the model's name"
        ),
        Field(
            "geography",
            choice(GEOGRAPHIES),
            "Where data stays, as the provider promises.",
            "unknown: not allowed under a policy of geographies",
        ),
        Field("region", WORD, "The provider's name for the place.", "none"),
        Field("data", DATA, "How data is treated there.", "the provider's"),
        Field(
            "weight",
            Number(
                "number, above 0 to 1000",
                Decimal(1000),
                above=Decimal(0),
            ),
            "Its share of new sessions, relative to the model's other deployments.",
            "1",
        ),
        CAPABILITIES,
        CONTEXT_WINDOW,
        MAX_OUTPUT,
        PRICING_FIELD,
    ),
)

MODEL_ENTRY = Section(
    "models[]",
    "A model, added to the shipped catalog or in place of its entry of that name.",
    (
        Field("name", MODEL, "The plain name callers use.", None),
        Field("deployments", ListOf(DEPLOYMENT, least=1), "Every place it runs.", None),
    ),
)
