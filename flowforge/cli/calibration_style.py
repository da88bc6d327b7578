"""How the page of a calibration looks, in light and in dark."""

STYLE = """\
:root { --ink: #1c2024; --soft: #60646c; --line: #d9dce1; --paper: #ffffff; --pale: #f4f5f7;
  --own: #1763cf; --shipped: #8a6a00; --good: #16723a; --bad: #b3261e; --mark: #fff1a8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --soft: #a0a5ad; --line: #3a3f46; --paper: #16181b; --pale: #1f2226;
    --own: #7db2ff; --shipped: #e0bb4e; --good: #6fd08f; --bad: #ff8a80; --mark: #544a12; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.25rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h4 { font-size: .8rem; font-weight: 600; color: var(--soft); margin: 0; padding: .35rem .6rem; }
p { max-width: 46rem; margin: .5rem 0 1rem; }
.note { color: var(--soft); font-size: .9rem; margin: .25rem 0 .5rem; }
code, pre { font: .85em/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; white-space: nowrap; }
.n { text-align: right; white-space: nowrap; }
.share { white-space: nowrap; }
.bar { display: inline-block; width: 5rem; height: .55rem; margin-right: .5rem; background: var(--line);
  border-radius: 3px; overflow: hidden; }
.bar span { display: block; height: 100%; background: var(--own); }
.act { color: var(--good); } .off { color: var(--bad); } .confirm { font-weight: 400; }
figure { margin: 1.25rem 0; } figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; }
svg { max-width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .axis { stroke: var(--line); } svg .bar-line { stroke: var(--bad); stroke-dasharray: 4 4; }
svg .shipped { stroke: var(--shipped); fill: none; stroke-width: 2; stroke-dasharray: 6 3; }
svg .own { stroke: var(--own); fill: none; stroke-width: 2; }
svg circle.own { fill: var(--own); } svg circle.shipped { fill: var(--shipped); stroke-dasharray: none; }
svg text.own { fill: var(--own); stroke: none; } svg text.shipped { fill: var(--shipped); stroke: none; }
.key-own { color: var(--own); } .key-shipped { color: var(--shipped); }
details.case { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.sides { display: grid; grid-template-columns: repeat(6, 1fr); gap: .5rem; }
.sides > div { grid-column: span 2; min-width: 0; background: var(--pale); border-radius: 4px; }
.sides > div:nth-child(n+4) { grid-column: span 3; }
.sides pre { margin: 0; padding: 0 .6rem .6rem; overflow-x: auto; tab-size: 4; }
.sides .empty { color: var(--soft); }
mark { background: var(--mark); color: inherit; display: inline-block; min-width: 100%; }
@media (max-width: 48rem) { .sides > div, .sides > div:nth-child(n+4) { grid-column: span 6; } }"""
