import pytest
from small import small_detector

from centernet.ops.preprocessing import Preprocessing


def test_benchmark_prints_the_share_of_everything_but_the_network(run, tiny):
    done = run("benchmark", "--model", tiny, "--runs", 3, "--size", "96x64")
    assert (done.code, done.err) == (0, "")
    assert "one 96x64 image" in done.out
    rows = [line.rsplit(maxsplit=2) for line in done.out.splitlines() if line.rstrip()[-1:].isdigit()]
    medians = {name.strip(): float(milliseconds) for name, milliseconds, _ in rows[-3:]}
    assert len(medians) == 3
    assert all(median > 0 for median in medians.values())
    assert done.out.rstrip().endswith("%")


def test_a_detector_whose_input_follows_the_image_is_timed_too(run, tmp_path):
    preprocessing = Preprocessing((64, 64), fit="original", step=16)
    small_detector(preprocessing=preprocessing, image_size=None).save(tmp_path / "original")
    done = run("benchmark", "--model", tmp_path / "original", "--runs", 3, "--size", "96x40")
    assert (done.code, done.err) == (0, "")
    assert done.out.rstrip().endswith("%")


@pytest.mark.parametrize("size", ["640", "0x480", "axb"])
def test_benchmark_refuses_a_size_that_is_none(run, size):
    done = run("benchmark", "--model", "bccd", "--size", size)
    assert done.code == 2
    assert "640x480" in done.error
