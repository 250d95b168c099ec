import pytest


def test_benchmark_prints_the_share_of_everything_but_the_network(run, tiny):
    done = run("benchmark", "--model", tiny, "--runs", 3, "--size", "96x64")
    assert (done.code, done.err) == (0, "")
    assert "one 96x64 image" in done.out
    rows = [line.rsplit(maxsplit=2) for line in done.out.splitlines() if line.rstrip()[-1:].isdigit()]
    medians = {name.strip(): float(milliseconds) for name, milliseconds, _ in rows[-3:]}
    assert len(medians) == 3
    assert all(median > 0 for median in medians.values())
    assert done.out.rstrip().endswith("%")


@pytest.mark.parametrize("size", ["640", "0x480", "axb"])
def test_benchmark_refuses_a_size_that_is_none(run, size):
    done = run("benchmark", "--model", "bccd", "--size", size)
    assert done.code == 2
    assert "640x480" in done.error
