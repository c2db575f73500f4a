"""The provider's own options."""

import pytest

from plugins.kubernetes.settings import read


def settings(environment: dict[str, str] | None = None, **options: str):  # noqa: ANN201  # one module's type
    variables = {f"kubernetes:config:{key}": value for key, value in options.items()}
    return read(variables, environment or {})


def test_options_arrive_as_json_and_an_empty_text_is_none() -> None:
    found = settings(context="kind", kubeconfig="", deleteUnreachable="true", namespace="demo")
    assert (found.context, found.kubeconfig, found.namespace) == ("kind", None, "demo")
    assert found.delete_unreachable
    assert not found.upsert


@pytest.mark.parametrize(("option", "expected"), [("true", True), ("false", False), (None, True)])
def test_an_option_goes_before_its_environment_variable(
    option: str | None,
    expected: bool,  # noqa: FBT001
) -> None:
    options = {} if option is None else {"deleteUnreachable": option}
    found = settings({"PULUMI_K8S_DELETE_UNREACHABLE": "true"}, **options)
    assert found.delete_unreachable is expected


def test_content_is_mutable_by_kind() -> None:
    assert settings().mutable == frozenset()
    assert settings(enableConfigMapMutable="true").mutable == {"ConfigMap"}
    both = settings({"PULUMI_K8S_ENABLE_SECRET_MUTABLE": "true"}, enableConfigMapMutable="true")
    assert both.mutable == {"ConfigMap", "Secret"}


def test_the_client_settings_say_how_long_a_request_may_take() -> None:
    assert settings().request_seconds is None
    assert settings(kubeClientSettings='{"timeout": 7}').request_seconds == 7
    assert settings({"PULUMI_K8S_CLIENT_TIMEOUT": "9"}).request_seconds == 9


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("kubeClientSettings", "seven"),
        ("kubeClientSettings", "[7]"),
        ("kubeClientSettings", '{"timeout": "soon"}'),
        ("enableServerSideApply", "false"),
        ("renderYamlToDirectory", "out"),
    ],
)
def test_an_option_that_cannot_be_honoured_is_refused_by_name(option: str, value: str) -> None:
    with pytest.raises(ValueError, match=option):
        settings({}, **{option: value})
