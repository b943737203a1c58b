"""The demo's readings are this machine's own."""

import time

import psutil

from bellwire.wire_json import check_json
from bellwire_local.dev.host_job import read_samples


def test_a_sample_is_this_machine_and_can_be_published() -> None:
    samples = read_samples(time.monotonic)
    first, second = next(samples), next(samples)
    check_json(first)
    assert set(first) == {"cpu", "memory", "load", "network", "processes", "host"}
    assert set(second) == {"cpu", "memory", "load", "network"}
    cpu, memory, processes = first["cpu"], first["memory"], first["processes"]
    assert isinstance(cpu, dict)
    assert isinstance(memory, dict)
    assert isinstance(processes, list)
    assert isinstance(cpu["cores"], list)
    assert len(cpu["cores"]) == psutil.cpu_count()
    assert memory["total_bytes"] == psutil.virtual_memory().total
    assert 1 <= len(processes) <= 8


def test_rates_are_over_the_time_between_samples() -> None:
    ticks = iter([0.0, 0.5, 1.0])
    samples = read_samples(lambda: next(ticks))
    network = next(samples)["network"]
    assert isinstance(network, dict)
    assert set(network) == {"received_bytes_per_s", "sent_bytes_per_s"}
