"""One small style sheet for everything we show; its colours follow JupyterLab's theme and look right without one."""

from __future__ import annotations

SHEET = """<style>
.rpn{font-size:13px;line-height:1.5;max-width:900px;color:var(--jp-content-font-color1,inherit)}
.rpn-head{display:flex;gap:12px;align-items:baseline;flex-wrap:wrap}
.rpn-dim{opacity:.65;font-size:12px}
.rpn-badge{color:#fff;border-radius:4px;padding:1px 8px;font-weight:600;font-size:12px}
.rpn-badge.rpn-good,.rpn-fill.rpn-good{background:#1a7f4b}
.rpn-badge.rpn-bad,.rpn-fill.rpn-bad{background:#c62f2f}
.rpn-badge.rpn-dim{background:#6b7280;opacity:1}
.rpn-client{font-weight:600;margin-top:2px}
.rpn-meter{display:flex;gap:10px;align-items:center;margin:6px 0}
.rpn-track{position:relative;width:180px;height:8px;border-radius:4px;overflow:hidden;background:rgba(127,127,127,.25)}
.rpn-fill{height:100%;min-width:2px}
.rpn-tick{position:absolute;left:50%;top:0;width:1px;height:100%;background:rgba(127,127,127,.9)}
.rpn pre{margin:6px 0;padding:8px 10px;border-radius:4px;background:rgba(127,127,127,.1);white-space:pre-wrap;
overflow-wrap:anywhere;max-height:420px;overflow-y:auto;font-size:12px;color:inherit}
.rpn-finding{border-left:3px solid #c62f2f;padding:2px 10px;margin:6px 0}
.rpn-finding.rpn-warning{border-color:#c98a00}
.rpn-finding.rpn-note{border-color:#6b7280}
.rpn-fix{opacity:.85}
.rpn table{border-collapse:collapse;margin:6px 0}
.rpn td,.rpn th{padding:2px 12px 2px 0;text-align:left!important;white-space:nowrap;border:0;background:none}
.rpn td code{white-space:nowrap}
.rpn td.rpn-note{white-space:normal;min-width:160px;overflow-wrap:anywhere}
.rpn td.rpn-num{text-align:right!important;font-variant-numeric:tabular-nums}
</style>"""
