"""The style sheet of reports: light and dark, for screens of any width and for paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b2a41;--quiet:#526073;--page:#fff;--panel:#f5f7fa;
--line:#d5dce6;--link:#1d5bb5;--good:#11684d;--goodfill:#e2f4ec;--bad:#b0271e;--badfill:#fde6e3;
--warn:#855000;--warnfill:#fdf0d5;--cool:#1f5ba8;--coolfill:#e3eefc;--dim:#526073;--dimfill:#e9ecf1}
@media (prefers-color-scheme:dark){:root{--ink:#e3e9f2;--quiet:#a3b0c2;--page:#12161d;
--panel:#1b212b;--line:#37414f;--link:#8ab8f5;--good:#6fd3ae;--goodfill:#12372b;--bad:#ff9b91;
--badfill:#45191a;--warn:#f0be6a;--warnfill:#3d2d0d;--cool:#93c0ff;--coolfill:#173052;
--dim:#a3b0c2;--dimfill:#2a323e}
figure svg{filter:invert(.9) hue-rotate(180deg)}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem 1.25rem 4rem;background:var(--page);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1{font-size:1.6rem;margin:.5rem 0 .25rem}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
h3,h4{font-size:1rem;margin:1rem 0 .25rem}
p{margin:.25rem 0}
code,pre,.kind,summary b{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.86rem;
unicode-bidi:isolate}
pre{margin:.25rem 0;padding:.6rem .75rem;background:var(--panel);border:1px solid var(--line);
border-radius:.4rem;overflow:auto;max-height:28rem;white-space:pre-wrap}
.note,.kind,.sub{color:var(--quiet)}
.skip{position:absolute;left:-99rem}
.skip:focus{position:static}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;padding:0;margin:.75rem 0;list-style:none}
.badge{display:inline-block;padding:.05rem .55rem;border-radius:1rem;font-size:.85rem;
font-weight:600;white-space:nowrap;color:var(--dim);background:var(--dimfill)}
.done{color:var(--good);background:var(--goodfill)}
.failed{color:var(--bad);background:var(--badfill)}
.warn{color:var(--warn);background:var(--warnfill)}
.cached,.running{color:var(--cool);background:var(--coolfill)}
.error{border-left:.3rem solid var(--bad);padding:.1rem 0 .1rem .9rem;margin:1rem 0}
.error .what{white-space:pre-wrap;font-weight:600}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.3rem 1.2rem;margin:.5rem 0}
dt{color:var(--quiet)}
dd{margin:0;min-width:0}
figure{margin:.5rem 0}
figure,.scroll{overflow:auto;max-width:100%;max-height:44rem}
figure svg{display:block;background:#fff;border-radius:.4rem}
table{border-collapse:collapse;font-size:.9rem}
.wide{width:100%}
caption{text-align:left;color:var(--quiet);padding-bottom:.3rem}
th,td{padding:.28rem .7rem .28rem 0;text-align:left;vertical-align:top;
border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
.wide td:first-child{min-width:8rem}
thead th{color:var(--quiet);font-weight:600;white-space:nowrap}
.number{text-align:right;white-space:nowrap}
td.number,th.number{padding-left:.8rem}
details{border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0;padding:0 .8rem}
details details{margin:.5rem 0}
summary{cursor:pointer;padding:.45rem 0}
details[open]>summary{border-bottom:1px solid var(--line);margin-bottom:.4rem}
details>div{padding-bottom:.7rem}
.card{border:1px solid var(--line);border-radius:.4rem;padding:.2rem 1rem 1rem;margin:.6rem 0}
.card img{max-width:100%;background:#fff;border-radius:.3rem}
iframe{width:100%;height:16rem;border:1px solid var(--line);border-radius:.3rem;background:#fff;
color-scheme:light;resize:vertical}
.markdown h1,.markdown h2,.markdown h3{font-size:1.05rem;margin:.6rem 0 .2rem;border:0}
.markdown table{margin:.5rem 0}
@media (max-width:40rem){body{padding:.6rem .7rem 3rem}dl{grid-template-columns:1fr}
dd{margin-bottom:.4rem}.less{display:none}}
@media print{details>*{display:block}figure,.scroll,pre{max-height:none;overflow:visible}}
"""
