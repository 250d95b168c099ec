"""The frame of a report: one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """
:root{--ink:#1c2430;--soft:#5b6675;--line:#e3e7ec;--paper:#fff;--ground:#f5f7f9;--accent:#0072b2}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 4px}
h3{font-size:14px;margin:14px 0 4px}
p{margin:0 0 10px}
.wide+p{margin-top:10px}
.soft,figcaption{color:var(--soft)}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:18px 20px;margin-top:18px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:12px;margin-top:18px}
.tile{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:12px 14px}
.tile b{display:block;font-size:26px;line-height:1.2;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
.tile.first{background:var(--accent);border-color:var(--accent);color:#fff}
.tile.first span{color:#e4f0f8}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:18px 28px}
svg{width:100%;height:auto;display:block}
svg text{font-size:12px;fill:var(--soft)}
svg .axis{font-size:13px}
svg .note{fill:var(--ink);font-weight:600}
svg .grid{stroke:var(--line);fill:none}
svg .mark{stroke:var(--ink);stroke-dasharray:4 4;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px;color:var(--soft);padding-left:10px}
.legend i{display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:6px;vertical-align:middle}
.legend i.box{height:12px}
.chart{max-width:640px;margin-top:16px}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
table.full{width:100%}
th,td{padding:4px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--soft);vertical-align:bottom}
th:first-child,td:first-child{text-align:left;padding-left:0}
.track{display:inline-block;width:72px;height:8px;border-radius:4px;background:#edf0f4;margin-right:10px;overflow:hidden}
.track b{display:block;height:100%}
.track.long{width:100%;min-width:120px;margin:0;vertical-align:middle}
td.text{text-align:left;white-space:normal;color:var(--soft);min-width:150px}
td.grow{width:38%}
td.none{color:var(--soft)}
.matrix{font-size:13px}
.matrix td,.matrix th{border:1px solid var(--line);padding:3px 7px;text-align:center;min-width:38px}
.matrix th:first-child{text-align:right}
.matrix th.up{height:96px;vertical-align:bottom;padding:4px}
.matrix th.up span{writing-mode:vertical-rl;transform:rotate(180deg)}
.matrix td:first-child{text-align:center;padding-left:7px}
figure{margin:0;padding:14px 0;border-top:1px solid var(--line)}
figure:first-of-type{border-top:0}
figcaption{font-size:14px;margin-bottom:6px;overflow-wrap:anywhere}
figcaption b{color:var(--ink)}
figure div{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:8px}
figure img{width:100%;height:auto;display:block;border-radius:6px}
ul{margin:4px 0 10px;padding-left:20px;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:13px;margin-top:22px}
@media print{body{background:#fff}section,.tile{break-inside:avoid}}
@media(max-width:520px){main{padding:18px 10px 40px}section{padding:14px 12px}td.grow{display:none}}
"""


def page(title: str, body: Sequence[str]) -> str:
    """A whole page.

    Args:
        title: Its title, as text.
        body: Its parts, as HTML.

    Returns:
        HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def section(title: str, note: str, *content: str) -> str:
    """A part with a heading and a sentence (as text), and its content (as HTML)."""
    return f'<section><h2>{escape(title)}</h2><p class="soft">{escape(note)}</p>{"".join(content)}</section>\n'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, full: bool = True) -> str:
    """A table.

    Args:
        head: Titles of the columns, as text.
        rows: Cells as HTML, each from `cell` or with its own `<td>`.
        full: Whether it is as wide as the page.

    Returns:
        HTML.
    """
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    kind = ' class="full"' if full else ""
    return f'<div class="wide"><table{kind}><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def cell(text: str, kind: str = "", extra: str = "") -> str:
    """A cell with a text, a CSS class, and HTML after the text."""
    return f'<td class="{kind}">{escape(text)}{extra}</td>'
