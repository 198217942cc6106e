"""One small style sheet for everything we show; its colours follow JupyterLab's theme and look right without one."""

from __future__ import annotations

SHEET = """<style>
.rpn{font-size:13px;line-height:1.5;max-width:900px;color:var(--jp-content-font-color1,inherit);
--rpn-quiet:var(--jp-content-font-color2,color-mix(in srgb,currentColor 75%,transparent));
--rpn-line:var(--jp-border-color2,rgba(127,127,127,.3));--rpn-soft:rgba(127,127,127,.1);
--rpn-mono:var(--jp-code-font-family,ui-monospace,monospace)}
.rpn-head{display:flex;gap:4px 12px;align-items:baseline;flex-wrap:wrap}
.rpn-steps{display:flex;gap:4px 8px;flex-wrap:wrap;margin-top:6px}
.rpn-id{font-family:var(--rpn-mono)}
.rpn-dim{color:var(--rpn-quiet);font-size:12px}
.rpn-badge{color:#fff;border-radius:3px;padding:0 7px;font-weight:600;font-size:11px;line-height:18px}
.rpn-badge.rpn-good,.rpn-fill.rpn-good{background:#1a7f4b}
.rpn-badge.rpn-bad,.rpn-fill.rpn-bad{background:#c62f2f}
.rpn-fill.rpn-warn{background:#c98a00}
.rpn-badge.rpn-live,.rpn-fill.rpn-live{background:#1f6fc4}
.rpn-badge.rpn-dim{background:#6b7280;color:#fff;font-size:11px}
.rpn-client{font-weight:600;margin-top:2px}
.rpn-meters{display:flex;gap:2px 20px;flex-wrap:wrap;align-items:center;font-size:12px;margin:4px 0}
.rpn-meter{display:inline-flex;gap:8px;align-items:center}
.rpn-track{display:inline-block;width:90px;height:6px;border-radius:3px;overflow:hidden;background:rgba(127,127,127,.25)}
.rpn-track.rpn-wide{width:240px}
.rpn-fill{display:block;height:100%;min-width:1px}
.rpn pre{margin:6px 0!important;padding:6px 10px!important;border-radius:3px;background:var(--rpn-soft)!important;
white-space:pre-wrap;
word-break:normal!important;overflow-wrap:anywhere;max-height:420px;overflow-y:auto;font-size:12px;color:inherit;font-family:var(--rpn-mono)}
.rpn pre.rpn-text{font-family:inherit;font-size:13px}
.rpn-finding{border-left:3px solid #c62f2f;padding:1px 10px;margin:5px 0}
.rpn-finding.rpn-warning{border-color:#c98a00}
.rpn-finding.rpn-note{border-color:#6b7280}
.rpn-fix{color:var(--rpn-quiet)}
.rpn table{border-collapse:collapse;margin:6px 0;font-size:12px}
.rpn td,.rpn th{padding:2px 16px 2px 0;text-align:left!important;white-space:nowrap;border:0;background:none;
vertical-align:top}
.rpn thead th{border-bottom:1px solid var(--rpn-line);font-weight:600}
.rpn td code{white-space:nowrap}
.rpn td.rpn-note{white-space:normal;min-width:160px;overflow-wrap:anywhere;border:0}
.rpn .rpn-num{text-align:right!important;font-variant-numeric:tabular-nums}
.rpn-scroll{overflow:auto;max-height:420px}
.rpn figure{margin:6px 0}
.rpn-media{display:block;max-width:min(100%,420px);max-height:420px;border-radius:3px}
.rpn-tree{margin:6px 0;font-family:var(--rpn-mono);font-size:12px}
.rpn-tree ul{list-style:none!important;margin:0!important;padding:0 0 0 14px!important}
.rpn-tree>ul{padding-left:0!important}
.rpn-tree li{list-style:none!important;margin:0;overflow-wrap:anywhere}
.rpn-tree li>.rpn-key:first-child{margin-left:14px}
.rpn-tree details>figure,.rpn-tree details>pre,.rpn-tree details>.rpn-scroll{margin-left:14px!important}
.rpn summary{cursor:pointer;list-style:none}
.rpn summary::before{content:"▸";display:inline-block;width:14px;opacity:.6}
.rpn details[open]>summary::before{content:"▾"}
.rpn-key{color:var(--jp-mirror-editor-property-color,var(--jp-content-font-color1,inherit));font-weight:600}
.rpn-text,.rpn-key{unicode-bidi:isolate}
.rpn-text{color:inherit}
.rpn-tree .rpn-text{color:var(--jp-mirror-editor-string-color,#a31515);margin:2px 0}
.rpn-tree pre.rpn-text{color:inherit;font-family:var(--rpn-mono);font-size:12px}
.rpn-number,.rpn-numbers{font-family:var(--rpn-mono);font-size:12px;color:var(--jp-mirror-editor-number-color,#098658)}
</style>"""
