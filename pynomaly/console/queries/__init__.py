"""Reads of the records for pages and API: pure of HTTP, bounded in rows.

Called by `console.api` and `console.pages`. May import `console.pipelines` and `console.schemas`.
"""
