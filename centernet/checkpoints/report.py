"""The report of loading weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadReport:
    """Tensors used from a file, tensors left over with the reason, and variables that keep new weights.

    Attributes:
        source: The file.
        form: Kind of the file.
        taken: Names of the tensors used.
        left_over: Name of each unused tensor → reason.
        new: Name of each variable that the file doesn't set → reason.
        notes: Other changes, as sentences.
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
