"""A report to look at: one HTML page without network, and the catalogue of a repository in Markdown. Pure.

`schema` makes tables of two catalogs, `choice` says which of them are drawn, `layout` where, `picture` and `timeline`
draw SVG, `page` and `sections` write the page; `values` is what the page is made of.
"""

from __future__ import annotations
