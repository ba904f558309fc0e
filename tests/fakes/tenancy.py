"""One organization with everything one can have: as a file declares it, and the API."""

from holdfast.control.resources import (
    Alias,
    ApiKey,
    Attempting,
    Budget,
    CustomModel,
    Guardrail,
    Handling,
    Hedging,
    Judge,
    Names,
    Organization,
    Overrides,
    Pattern,
    Policy,
    Prices,
    Project,
    Retention,
)

DEFAULTS = """
      attempt: {connect_timeout_s: 1, first_token_timeout_s: 2.5, idle_timeout_s: 3}
      request_timeout_s: 100
      retries_per_deployment: 1
      retry_after_cap_s: 7
      max_attempts: 3
      session_ttl_s: 60
      derived_sessions: false
      midstream: error
      on_content_filter: fallback
      parse_retries: 1
      hedge: {after_s: 1.5, max_share: 0.1}
"""

OVERRIDES = Overrides(
    attempt=Attempting(
        connect_timeout_s=1, first_token_timeout_s=2.5, idle_timeout_s=3
    ),
    request_timeout_s=100,
    retries_per_deployment=1,
    retry_after_cap_s=7,
    max_attempts=3,
    session_ttl_s=60,
    derived_sessions=False,
    midstream="error",
    on_content_filter="fallback",
    parse_retries=1,
    hedge=Hedging(after_s=1.5, max_share=0.1),
)

BY_FILE = f"""
  - id: labs
    defaults: {{max_attempts: 9, request_timeout_s: 50}}
    policy:
      providers: {{allow: [a, tuned], deny: [b]}}
      models: {{allow: [labs/own, sonnet], deny: [opus]}}
      geographies: [eu]
      data: {{training: deny, max_retention_days: 30}}
    budget: {{monthly_usd: "500.5", warn_at: 0.5, when_unreachable: deny}}
    aliases:
      - name: best
        fallback_models: [sonnet, labs/own]
        defaults: {{max_attempts: 2}}
    custom_models:
      - name: labs/own
        identifier: tuned/model-7b
        extra: {{api_base: "https://own.example/v1", region: eu, api_version: v2}}
        pricing: {{input: "1", output: "2", cache_read: "0.1"}}
        capabilities: [tools]
        context_window_tokens: 1000
        max_output_tokens: 100
        data: {{trains_on_data: false, retention_days: 3}}
    guardrails:
      - name: cards
        applies_to: [input]
        action: block
        presets: [credit_card]
        patterns: [{{name: p, regex: "x+", flags: i}}]
        replacement: "#"
        projects: [web]
        judge: {{model: sonnet, prompt: "Weapons?", on_error: allow}}
      - name: elsewhere
        applies_to: [input, output]
        action: flag
        presets: [email]
        projects: [app]
    projects:
      - id: web
        defaults:{DEFAULTS.replace(chr(10) + "      ", chr(10) + "          ")}
        policy: {{geographies: [eu, us]}}
        budget: {{monthly_usd: "10"}}
        retention: {{content_days: 7}}
        keys:
          - id: key
            key: hf-labs
            requests_per_minute: 5
            tokens_per_minute: 600
            policy: {{models: {{deny: [opus]}}}}
            budget: {{monthly_usd: "1"}}
      - id: app
"""

OWN = {"organization": "labs"}
BY_API = [
    Organization(**OWN, defaults=Overrides(max_attempts=9, request_timeout_s=50)),
    Project(**OWN, id="web", retention=Retention(content_days=7), defaults=OVERRIDES),
    Project(**OWN, id="app"),
    ApiKey(
        **OWN, project="web", id="key", requests_per_minute=5, tokens_per_minute=600
    ),
    Policy(
        **OWN,
        providers=Names(allow=("a", "tuned"), deny=("b",)),
        models=Names(allow=("labs/own", "sonnet"), deny=("opus",)),
        geographies=("eu",),
        data=Handling(training="deny", max_retention_days=30),
    ),
    Policy(**OWN, project="web", geographies=("eu", "us")),
    Policy(**OWN, project="web", key="key", models=Names(deny=("opus",))),
    Budget(**OWN, monthly_usd="500.5", warn_at=0.5, when_unreachable="deny"),
    Budget(**OWN, project="web", monthly_usd="10"),
    Budget(**OWN, project="web", key="key", monthly_usd="1"),
    CustomModel(
        **OWN,
        name="labs/own",
        identifier="tuned/model-7b",
        extra={
            "api_base": "https://own.example/v1",
            "region": "eu",
            "api_version": "v2",
        },
        pricing=Prices(input="1", output="2", cache_read="0.1"),
        capabilities=("tools",),
        context_window_tokens=1000,
        max_output_tokens=100,
        data={"trains_on_data": False, "retention_days": 3},
    ),
    Alias(
        **OWN,
        name="best",
        fallback_models=("sonnet", "labs/own"),
        defaults=Overrides(max_attempts=2),
    ),
    Guardrail(
        **OWN,
        name="cards",
        applies_to=("input",),
        action="block",
        presets=("credit_card",),
        patterns=(Pattern(name="p", regex="x+", flags="i"),),
        replacement="#",
        projects=("web",),
        judge=Judge(model="sonnet", prompt="Weapons?", on_error="allow"),
    ),
    Guardrail(**OWN, name="elsewhere", presets=("email",), projects=("app",)),
]

KINDS = {
    Organization: "organization",
    Project: "project",
    ApiKey: "key",
    Policy: "policy",
    Budget: "budget",
    Alias: "alias",
    CustomModel: "custom_model",
    Guardrail: "guardrail",
}
