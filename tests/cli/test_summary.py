import io

from rich.console import Console

from centernet import Detections
from centernet.cli.outputs import MAX_ROWS, Summary


def printed(summary, method="print"):
    console = Console(file=io.StringIO(), width=200)
    getattr(summary, method)(console)
    return console.file.getvalue()


def found(*class_ids):
    count = len(class_ids)
    return Detections([[0, 0, 1, 1]] * count, [0.5] * count, class_ids, (2, 2), ("cat", "dog"))


def lines(text, word):
    return [" ".join(line.split()) for line in text.splitlines() if word in line]


def test_objects_are_counted_by_class_and_in_total():
    summary = Summary()
    summary.add("a.jpg", found(0, 1, 1), 0.25)
    summary.add("b.jpg", found(), 1.5)
    text = printed(summary)
    assert lines(text, ".jpg") == ["a.jpg 2 dog, 1 cat 250 ms", "b.jpg – 1.5 s"]
    assert lines(text, "images") == ["2 images 2 dog, 1 cat 1.8 s"]


def test_the_first_batch_is_left_out_of_the_time_an_image():
    summary = Summary(batch_size=2)
    for seconds in (5, 5, 0.1, 0.1):
        summary.add("a.jpg", found(), seconds)
    assert "100 ms per image (the first batch took 10.0 s" in printed(summary)


def test_frames_are_counted_together_by_video():
    summary, first, second = Summary(), object(), object()
    for video in (first, first, second, second, second):
        summary.add("a.mp4", found(0), 0.1, video)
    assert lines(printed(summary), "a.mp4") == ["a.mp4 (2 frames) 2 cat 200 ms", "a.mp4 (3 frames) 3 cat 300 ms"]


def test_rows_beyond_the_limit_are_counted_together():
    summary = Summary()
    for number in range(MAX_ROWS + 10):
        summary.add(f"{number}.jpg", found(0), 0.01)
    text = printed(summary)
    assert len(lines(text, ".jpg")) == MAX_ROWS
    assert lines(text, "more") == ["… 10 more 10 cat 100 ms"]


def test_folders_are_shown_only_where_names_are_equal():
    summary = Summary()
    for name in ("x/a.jpg", "y/a.jpg", "y/b.jpg"):
        summary.add(name, found(), 0.1)
    assert [line.split()[0] for line in lines(printed(summary), ".jpg")] == ["x/a.jpg", "y/a.jpg", "b.jpg"]


def test_failures_are_counted_and_listed_up_to_a_limit():
    summary = Summary()
    assert printed(summary, "print_failures") == ""
    assert printed(summary) == ""
    summary.failures.extend(f"{number}.jpg: broken" for number in range(MAX_ROWS + 3))
    first, *rest, last = printed(summary, "print_failures").splitlines()
    assert (first, last) == (f"{MAX_ROWS + 3} failed, 0 succeeded:", "  … and 3 more")
    assert len(rest) == MAX_ROWS
