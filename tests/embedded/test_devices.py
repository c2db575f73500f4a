"""What stands in for resource drivers on simulated nodes. Pure."""

from embedded.cluster import OURS, Node, devices


def node(name: str, **claimable: int) -> Node:
    return Node(name=name, allocatable={}, labels={}, claimable=claimable)


def test_each_node_publishes_its_devices_under_the_class_of_their_driver() -> None:
    found = devices([node("node-0", gpu=2), node("node-1", gpu=1, nic=1)])

    assert [(one["kind"], one["metadata"]["name"]) for one in found] == [
        ("DeviceClass", "gpu"),
        ("DeviceClass", "nic"),
        ("ResourceSlice", "node-0-gpu"),
        ("ResourceSlice", "node-1-gpu"),
        ("ResourceSlice", "node-1-nic"),
    ]
    [of_gpu, _, first, *_] = [one["spec"] for one in found]
    assert of_gpu["selectors"] == [{"cel": {"expression": 'device.driver == "gpu"'}}]
    assert first["driver"] == "gpu"
    assert first["nodeName"] == first["pool"]["name"] == "node-0"
    assert [one["name"] for one in first["devices"]] == ["device-0", "device-1"]


def test_they_are_told_from_those_of_real_drivers() -> None:
    key, _, value = OURS.partition("=")

    for one in devices([node("node-0", gpu=1)]):
        assert one["metadata"]["labels"] == {key: value}


def test_nodes_without_any_publish_nothing() -> None:
    assert devices([node("node-0")]) == []
