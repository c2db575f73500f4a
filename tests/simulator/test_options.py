from collections.abc import Mapping

import pytest
from test_bad_input import MODEL, planned

from simulator.options import Options, parse


def parsed(*arguments: str, environment: Mapping[str, str] | None = None) -> Options:
    return parse(["--model", "meta/m", *arguments], environment or {})


@pytest.mark.parametrize(
    ("says", "longest"), [({}, 40960), ({"maxModelLen": 4096}, 4096)], ids=["nothing", "a length"]
)
def test_what_a_stack_passes_is_understood(says: dict[str, object], longest: int) -> None:
    [model] = planned(hardware="simulated", models=[MODEL | says]).models

    options = parse(model.service.decode.args, {})

    assert (options.port, options.max_model_len) == (8000, longest)
    assert (options.max_num_seqs, options.block_size, options.seed) == (1024, 16, 0)
    assert options.models == (model.name,)


def test_the_kv_cache_is_as_large_as_is_said_of_each_accelerator() -> None:
    options = parsed("--kv-cache-memory-bytes=1073741824", "--max-model-len=4096")

    # 1 GiB on each of two, which hold half of a token's 256 KiB each.
    assert options.blocks * options.block_size == 8192


def test_served_names_replace_the_models() -> None:
    assert parsed().models == ("meta/m",)
    assert parsed("--served-model-name", "a", "b").models == ("a", "b")


@pytest.mark.parametrize(
    ("environment", "host"), [({"POD_IP": "127.0.0.9"}, "127.0.0.9"), ({}, "127.0.0.1")]
)
def test_the_pods_address_is_what_is_listened_on(environment: Mapping[str, str], host: str) -> None:
    assert parsed(environment=environment).host == host
    assert parsed("--host", "127.0.0.3", environment=environment).host == "127.0.0.3"


def test_only_a_pod_in_development_opens_what_no_user_may_call() -> None:
    assert not parsed(environment={"VLLM_SERVER_DEV_MODE": "0"}).developing
    assert parsed(environment={"VLLM_SERVER_DEV_MODE": "1"}).developing


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--tensor-parallel-size=2"], "--tensor-parallel-size=2"),
        (["--max-num-seq=2"], "--max-num-seq=2"),
        (["--device=cuda"], "'cuda'"),
        (["--block-size=0"], "0: expected at least 1"),
        (["--port=x"], "'x'"),
        (["--num-gpu-blocks-override=10"], "40960: expected at most 160"),
        (["--num-gpu-blocks-override=10", "--kv-cache-memory-bytes=9"], "not allowed with"),
    ],
)
def test_what_is_not_simulated_is_refused_in_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(*arguments)

    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert len(lines) == 1
    assert told in lines[0]
