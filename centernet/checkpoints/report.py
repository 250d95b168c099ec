"""What happened when weights were loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadReport:
    """What was taken from a file, what was left in it and why, and what in the model is new.

    Attributes:
        source: The file.
        form: What kind of file it is.
        taken: Names of the tensors that were taken.
        left_over: Name of each tensor that was not taken → why.
        new: Name of each variable of the model that the file didn't set → why.
        notes: What else was done, in sentences.
    """

    source: str
    form: str
    taken: tuple[str, ...] = ()
    left_over: Mapping[str, str] = field(default_factory=dict)
    new: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.source} ({self.form})", f"  taken: {len(self.taken)} tensors"]
        for title, names in (("left over", self.left_over), ("new", self.new)):
            for reason, count in Counter(names.values()).items():
                examples = [name for name, why in names.items() if why == reason][:3]
                more = ", ..." if count > len(examples) else ""
                lines.append(f"  {title}: {count} × {reason} ({', '.join(examples)}{more})")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])
