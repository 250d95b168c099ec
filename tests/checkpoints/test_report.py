from __future__ import annotations

from centernet import LoadReport


def test_it_prints_what_was_taken_left_over_and_new_with_reasons_and_examples():
    report = LoadReport(
        "ckpt-0",
        "TensorFlow training checkpoint",
        taken=("a", "b"),
        left_over={**{f"slot{n}": "optimizer slot" for n in range(5)}, "save_counter": "counter"},
        new={"heatmap_0/kernel": "channels of new classes (cat)"},
        notes=("classes: 1 kept",),
    )
    assert str(report).splitlines() == [
        "ckpt-0 (TensorFlow training checkpoint)",
        "  taken: 2 tensors",
        "  left over: 5 × optimizer slot (slot0, slot1, slot2, ...)",
        "  left over: 1 × counter (save_counter)",
        "  new: 1 × channels of new classes (cat) (heatmap_0/kernel)",
        "  classes: 1 kept",
    ]


def test_an_empty_one_prints_too():
    assert str(LoadReport("x", "y")) == "x (y)\n  taken: 0 tensors"
